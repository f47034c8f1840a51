// An OPC UA server that is not ours (node-opcua), played by one JSON object a line; every line gets one answer.
//
//   node node_opcua_server.js MODULES_FOLDER '{"port": 0, "variables": 10, "pki": "...", "accept_unknown": true}'
//
// Variables are Doubles, ten a thing: nsu=urn:iot2crm:sim;s=t0.p0 to t0.p9, t1.p0, ... See `commands` below for what it can do.
"use strict";
const path = require("node:path");
const readline = require("node:readline");

const modules = process.argv[2];
const options = JSON.parse(process.argv[3]);
const ua = require(path.join(modules, "node-opcua"));
const { DataType, StatusCodes, Variant, VariantArrayType } = ua;

const NAMESPACE = "urn:iot2crm:sim";
const counters = { value: options.first || 0, timer: null };
const variables = [];
let server;
let things = {};

function double(value) {
  return new Variant({ dataType: DataType.Double, value });
}

function setAll(value, upTo) {
  const now = new Date();
  const variant = double(value);
  for (let index = 0; index < upTo; index++) {
    variables[index].setValueFromSource(variant, StatusCodes.Good, now);
  }
}

function certificates(name, accept) {
  return new ua.OPCUACertificateManager({
    rootFolder: path.join(options.pki, name),
    automaticallyAcceptUnknownCertificate: accept,
    name: "pki",
  });
}

async function start() {
  const accept = options.accept_unknown !== false;
  const own = certificates("server", accept);
  const users = certificates("users", accept);
  await own.initialize();
  await users.initialize();
  server = new ua.OPCUAServer({
    port: options.port,
    hostname: "127.0.0.1",
    host: "127.0.0.1",
    resourcePath: "/UA/Sim",
    allowAnonymous: options.anonymous !== false,
    userManager: { isValidUser: (user, password) => user === "hub" && password === "right" },
    serverCertificateManager: own,
    userCertificateManager: users,
    disableDiscovery: true,
    nodeset_filename: [ua.nodesets.standard].concat(
      options.machinery ? [ua.nodesets.di, ua.nodesets.ia, ua.nodesets.machinery] : [],
    ),
    serverInfo: { applicationUri: "urn:iot2crm:sim:server", productUri: "urn:iot2crm:sim" },
    serverCapabilities: {
      maxSessions: 50,
      operationLimits: { maxMonitoredItemsPerCall: options.per_call || 1000, maxNodesPerBrowse: 100 },
    },
  });
  await server.initialize();
  build();
  await server.start();
}

function build() {
  const space = server.engine.addressSpace;
  const own = space.registerNamespace(NAMESPACE);
  const folder = own.addFolder(space.rootFolder.objects, { browseName: "Sim", nodeId: "s=Sim" });
  for (let index = 0; index < options.variables; index++) {
    variables.push(
      own.addVariable({
        componentOf: folder,
        browseName: `t${Math.floor(index / 10)}.p${index % 10}`,
        nodeId: `s=t${Math.floor(index / 10)}.p${index % 10}`,
        dataType: "Double",
        minimumSamplingInterval: 0,
      }),
    );
  }
  setAll(counters.value, variables.length);
  if (options.history) {
    for (const variable of variables) {
      space.installHistoricalDataNode(variable, { maxOnlineValues: 10000 });
    }
  }
  things = require("./node_opcua_things.js").build(ua, space, own, folder, options);
}

const commands = {
  // Set the first `variables` to the next number each `every_ms`, as many `times` as told (0: until "stop").
  count({ variables: upTo = variables.length, every_ms: every = 100, times = 0 }) {
    const last = counters.value + times;
    counters.timer = setInterval(() => {
      counters.value += 1;
      setAll(counters.value, upTo);
      if (times && counters.value >= last) clearInterval(counters.timer);
    }, every);
    return {};
  },
  stop() {
    clearInterval(counters.timer);
    return { value: counters.value };
  },
  value() {
    return { value: counters.value };
  },
  // Set single variables: to numbers, with a status.
  set({ values, status = "Good" }) {
    for (const [name, value] of Object.entries(values)) {
      const variant = value === null ? new Variant({ dataType: DataType.Null }) : double(value);
      const [thing, property] = name.slice(1).split(".p").map(Number);
      variables[thing * 10 + property].setValueFromSource(variant, StatusCodes[status], new Date());
    }
    return {};
  },
  call({ what, ...more }) {
    return things[what](more);
  },
  sessions() {
    return { sessions: server.engine.currentSessionCount, subscriptions: server.engine.currentSubscriptionCount };
  },
};

start().then(
  () => {
    const endpoint = server.endpoints[0];
    console.log(JSON.stringify({ ok: true, port: endpoint.port }));
    readline.createInterface({ input: process.stdin }).on("line", async (line) => {
      const { do: name, ...more } = JSON.parse(line);
      let answer;
      try {
        answer = { ok: true, ...(await commands[name](more)) };
      } catch (error) {
        answer = { ok: false, error: String(error) };
      }
      console.log(JSON.stringify(answer));
    }).on("close", () => process.exit(0));
  },
  (error) => {
    console.log(JSON.stringify({ ok: false, error: String(error.stack || error) }));
    process.exit(1);
  },
);
