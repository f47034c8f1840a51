"""SenML (RFC 8428): packs in JSON and CBOR to readings and back."""

from protocols.senml.decoding import decode_cbor, decode_json
from protocols.senml.encoding import encode_cbor, encode_json
from protocols.senml.resolving import MAX_RECORDS, Pack

__all__ = ["MAX_RECORDS", "Pack", "decode_cbor", "decode_json", "encode_cbor", "encode_json"]
