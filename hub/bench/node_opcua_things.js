// What the server of node_opcua_server.js has besides plain numbers: things to command, enumerations, alarms, machines.
"use strict";

exports.build = function build(ua, space, own, folder, options) {
  const { DataType, Variant, VariantArrayType, StatusCodes } = ua;
  const commands = {};
  const writable = (name, dataType, value, more = {}) =>
    own.addVariable({
      componentOf: folder,
      browseName: name,
      nodeId: `s=${name}`,
      dataType,
      minimumSamplingInterval: 0,
      value: new Variant({ dataType: more.builtin || dataType, value, ...more.shape }),
      ...more.node,
    });

  // To be commanded.
  writable("Setpoint", "Float", 20);
  writable("Pieces", "UInt16", 5);
  writable("Recipe", "String", "");
  writable("Curve", "Double", new Float64Array([1, 2]), {
    shape: { arrayType: VariantArrayType.Array },
    node: { valueRank: 1 },
  });
  writable("Fixed", "Double", 1, { node: { accessLevel: "CurrentRead", userAccessLevel: "CurrentRead" } });
  const calls = { count: 0 };
  const method = own.addMethod(folder, {
    browseName: "AddUp",
    nodeId: "s=AddUp",
    inputArguments: [
      { name: "FirstNumber", dataType: DataType.Double },
      { name: "TimesDone", dataType: DataType.Int32 },
    ],
    outputArguments: [{ name: "Sum", dataType: DataType.Double }],
  });
  method.bindMethod((inputs, _context, done) => {
    calls.count += 1;
    if (inputs[1].value < 0) return done(null, { statusCode: StatusCodes.BadOutOfRange });
    const sum = new Variant({ dataType: DataType.Double, value: inputs[0].value + inputs[1].value });
    return done(null, { statusCode: StatusCodes.Good, outputArguments: [sum] });
  });
  commands.calls = () => ({ calls: calls.count });
  commands.value = ({ name }) => {
    const { value } = space.findNode(`ns=${own.index};s=${name}`).readValue();
    return { value: ArrayBuffer.isView(value.value) ? Array.from(value.value) : value.value, type: DataType[value.dataType] };
  };

  // Enumerations.
  const mode = own.addEnumerationType({ browseName: "PressMode", enumeration: ["Idle", "Pressing", "Jammed"] });
  const modeNode = writable("Mode", mode.nodeId, 1, { builtin: DataType.Int32 });
  commands.mode = ({ value }) => {
    modeNode.setValueFromSource(new Variant({ dataType: DataType.Int32, value }));
    return {};
  };
  // A boiler with an alarm.
  space.installAlarmsAndConditionsService();
  const boiler = own.addObject({
    browseName: "Boiler", nodeId: "s=Boiler", organizedBy: folder, eventNotifier: 1,
    notifierOf: space.rootFolder.objects.server,
  });
  const pressure = own.addVariable({
    browseName: "Pressure", nodeId: "s=Boiler.Pressure", componentOf: boiler, eventSourceOf: boiler,
    dataType: "Double", minimumSamplingInterval: 0, value: new Variant({ dataType: DataType.Double, value: 5 }),
  });
  own.instantiateExclusiveLimitAlarm("ExclusiveLimitAlarmType", {
    browseName: "PressureHigh", nodeId: "s=Boiler.PressureHigh", componentOf: boiler, conditionName: "PressureHigh",
    conditionSource: pressure, inputNode: pressure,
    lowLowLimit: -9, lowLimit: -8, highLimit: 8, highHighLimit: 10,
  });
  commands.pressure = ({ value }) => {
    pressure.setValueFromSource(new Variant({ dataType: DataType.Double, value }));
    return {};
  };
  commands.acknowledged = () => ({ value: space.findNode(`ns=${own.index};s=Boiler.PressureHigh`).ackedState.id.readValue().value.value });
  if (options.machinery) buildMachine(ua, space, own);
  return commands;
};

// A press as OPC 40001 (Machinery) and OPC 10000-100 (Devices) describe machines.
function buildMachine(ua, space, own) {
  const { DataType, Variant, StatusCodes } = ua;
  const di = space.getNamespaceIndex("http://opcfoundation.org/UA/DI/");
  const machinery = space.getNamespaceIndex("http://opcfoundation.org/UA/Machinery/");
  const text = (value) => new Variant({ dataType: DataType.String, value });
  const pressType = own.addObjectType({ browseName: "PressType", subtypeOf: space.findObjectType("DeviceType", di) });
  const machine = pressType.instantiate({
    browseName: "Press7",
    nodeId: "s=Press7",
    namespace: own,
    organizedBy: space.findNode(`ns=${machinery};i=1001`),
    optionals: ["DeviceHealth"],
  });
  const identification = space.findObjectType("MachineIdentificationType", machinery).instantiate({
    browseName: { name: "Identification", namespaceIndex: di },
    nodeId: "s=Press7.Identification",
    namespace: own,
    componentOf: machine,
    optionals: ["Model"],
  });
  const told = { Manufacturer: "ACME", Model: "PX-20", SerialNumber: "S-4711", ProductInstanceUri: "https://acme.example/S-4711" };
  for (const [name, value] of Object.entries(told)) {
    const node = identification.getChildByName(name);
    const isText = node.dataType.value === DataType.LocalizedText;
    node.setValueFromSource(isText ? new Variant({ dataType: DataType.LocalizedText, value: { text: value } }) : text(value));
  }
  machine.getComponentByName("DeviceHealth")?.setValueFromSource(
    new Variant({ dataType: DataType.Int32, value: 4 }), StatusCodes.Good);
  const level = own.addAnalogDataItem({
    componentOf: machine, browseName: "OilLevel", nodeId: "s=Press7.OilLevel", dataType: "Double",
    engineeringUnitsRange: { low: 0, high: 100 }, engineeringUnits: ua.standardUnits.percent,
    value: new Variant({ dataType: DataType.Double, value: 40 }),
  });
  level.minimumSamplingInterval = 0;
  const life = space.findVariableType("LifetimeVariableType", di).instantiate({
    browseName: "FilterLife", nodeId: "s=Press7.FilterLife", namespace: own, componentOf: machine, dataType: "Double",
    optionals: ["Indication"], value: new Variant({ dataType: DataType.Double, value: 120 }),
  });
  life.getChildByName("Indication").setValueFromSource(
    new Variant({ dataType: DataType.NodeId, value: space.findObjectType("NumberOfPartsIndicationType", di).nodeId }));
  for (const [name, value] of [["StartValue", 2000], ["LimitValue", 0]]) {
    life.getChildByName(name).setValueFromSource(new Variant({ dataType: DataType.Double, value }));
  }
}
