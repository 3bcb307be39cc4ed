"""Another verifier, in Python: PyJWT, whose PyJWKClient fetches the key set over https by itself.

Standard input: `{jwks_uri, issuer, audience, ca_file, tokens: {NAME: TOKEN}}`
Prints one JSON object: `{"PyJWT": {NAME: {sub} or {error}}}`.
"""

import json
import ssl
import sys

import jwt

task = json.load(sys.stdin)
keys = jwt.PyJWKClient(task["jwks_uri"], ssl_context=ssl.create_default_context(cafile=task["ca_file"]))


def verify(token):
    key = keys.get_signing_key_from_jwt(token)
    return jwt.decode(token, key, algorithms=["RS256", "ES256"], issuer=task["issuer"], audience=task["audience"])


def result(token):
    try:
        return {"sub": verify(token)["sub"]}
    except jwt.PyJWTError as error:
        return {"error": f"{type(error).__name__}: {error}"}


print(json.dumps({"PyJWT": {name: result(token) for name, token in task["tokens"].items()}}))
