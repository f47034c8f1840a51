// What the server of node_opcua_server.js has besides plain numbers.
"use strict";

exports.build = function build(ua, space, own, folder) {
  const { DataType, Variant, VariantArrayType, StatusCodes } = ua;
  return {};
};
