"""A validator of JSON Schema, in Python: jsonschema.

Standard input: `{schema, files: {NAME: DOCUMENT}}`
Prints one JSON object: `{"schema": ERROR or null, "files": {NAME: [ERROR, …]}}`, the first by the schema's own meta-schema.
"""

import json
import sys

import jsonschema

task = json.load(sys.stdin)
validator = jsonschema.validators.validator_for(task["schema"], default=None)


def meta_error():
    try:
        validator.check_schema(task["schema"])
    except jsonschema.SchemaError as error:
        return error.message


def errors(document):
    return [f"{error.json_path}: {error.message}" for error in validator(task["schema"]).iter_errors(document)]


print(json.dumps({"schema": meta_error(), "files": {name: errors(document) for name, document in task["files"].items()}}))
