// An LwM2M client out of lwm2m-node-lib, steered by lines of JSON: node lwm2m_node_client.js MODULES SETTINGS
'use strict';

const [modules, given] = process.argv.slice(2);
const settings = JSON.parse(given);
const client = require(modules + '/lwm2m-node-lib').client;
require(modules + '/logops').setLevel('FATAL');

let device = null;
const seen = [];

function say(answer) { process.stdout.write(JSON.stringify(answer) + '\n'); }

function settle(promise) {
  promise.then((answer) => say(answer || {}), (error) => say({ error: String(error.message || error.name || error) }));
}

function called(start) {
  return new Promise((resolve, reject) => start((error, result) => (error ? reject(error) : resolve(result))));
}

function handlers() {
  for (const kind of ['write', 'execute']) {
    client.setHandler(device.serverInfo, kind, (type, id, resource, value, callback) => {
      seen.push({ kind, path: `/${type}/${id}/${resource}`, value: String(value) });
      callback(null);
    });
  }
  client.setHandler(device.serverInfo, 'read', (type, id, resource, value, callback) => callback(null));
}

const commands = {
  async set({ object, resource, value }) {
    const known = await called((done) => client.registry.get(object, done)).catch(() => null);
    if (!known) { await called((done) => client.registry.create(object, done)); }
    await called((done) => client.registry.setResource(object, String(resource), value, done));
  },
  async register({ endpoint }) {
    device = await called((done) => client.register(settings.host, settings.port, '', endpoint, done));
    handlers();
    return { location: device.location };
  },
  async update() {
    device = await called((done) => client.update(device, done));
    handlers();
  },
  async unregister() { await called((done) => client.unregister(device, done)); },
  async seen() { return { seen }; },
};

client.init({ client: {
  lifetime: settings.lifetime || '3600', version: '1.0', logLevel: 'FATAL',
  observe: { period: 50 }, ipProtocol: 'udp4', serverProtocol: 'udp4',
} });

require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  settle(commands[command.do](command));
}).on('close', () => process.exit(0));
say({ ready: true });
