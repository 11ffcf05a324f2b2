"""Validates the CycloneDX 1.6 document in a file, strictly, and prints its components as cyclonedx-python-lib reads them."""

import json
import sys

from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

text = open(sys.argv[1], encoding="utf-8").read()
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
if error is not None:
    sys.exit(repr(error))
bom = Bom.from_json(json.loads(text))
bom.validate()
print(json.dumps(sorted(component.purl.to_string() for component in bom.components)))
