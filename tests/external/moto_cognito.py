"""A real user pool with real users: moto's Cognito, driven through the API that Amazon Cognito has.

Usage: python moto_cognito.py
First line: `{issuer, jwks_url, clients: {web, other}}`, app clients by name.
Then for each line `USER CLIENT`: that user signs in, `{access_token, id_token, refresh_token, sub}`; and `expired USER CLIENT`:
a token that the pool itself makes for that user, of an hour ago. Ends when its standard input does.
"""

import json
import logging
import os
import sys

logging.getLogger("werkzeug").setLevel(logging.ERROR)
# Whatever the machine is set up with: nothing but the server below is talked to.
os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="eu-central-1")

import boto3  # noqa: E402
from moto.cognitoidp.models import cognitoidp_backends  # noqa: E402
from moto.core import DEFAULT_ACCOUNT_ID  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

REGION = "eu-central-1"
PASSWORD = "Correct-horse-7"

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
address = "http://{}:{}".format(*server.get_host_and_port())
cognito = boto3.client("cognito-idp", region_name=REGION, endpoint_url=address)

pool = cognito.create_user_pool(PoolName="stackflow")["UserPool"]["Id"]
cognito.create_group(UserPoolId=pool, GroupName="operators")


def new_client(name):
    flows = ["ALLOW_USER_PASSWORD_AUTH"]
    answer = cognito.create_user_pool_client(UserPoolId=pool, ClientName=name, ExplicitAuthFlows=flows)
    return answer["UserPoolClient"]["ClientId"]


clients = {name: new_client(name) for name in ("web", "other")}
created = {}


def create(name):
    user = {"UserPoolId": pool, "Username": name}
    answer = cognito.admin_create_user(**user, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(**user, Password=PASSWORD, Permanent=True)
    cognito.admin_add_user_to_group(**user, GroupName="operators")
    attributes = {attribute["Name"]: attribute["Value"] for attribute in answer["User"]["Attributes"]}
    created[name] = attributes["sub"]


def sign_in(name, client):
    if name not in created:
        create(name)
    answer = cognito.initiate_auth(
        AuthFlow="USER_PASSWORD_AUTH",
        ClientId=clients[client],
        AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
    )
    tokens = answer["AuthenticationResult"]
    return {
        "access_token": tokens["AccessToken"],
        "id_token": tokens["IdToken"],
        "refresh_token": tokens["RefreshToken"],
        "sub": created[name],
    }


def expired(name, client):
    backend = cognitoidp_backends[DEFAULT_ACCOUNT_ID][REGION]
    token, _ = backend.describe_user_pool(pool).create_jwt(clients[client], name, "access", expires_in=-3600)
    return {"access_token": token}


def answer(words):
    return expired(*words[1:]) if words[0] == "expired" else sign_in(*words)


ready = {
    "issuer": f"https://cognito-idp.{REGION}.amazonaws.com/{pool}",
    "jwks_url": f"{address}/{pool}/.well-known/jwks.json",
    "clients": clients,
}
print(json.dumps(ready), flush=True)
for line in sys.stdin:
    print(json.dumps(answer(line.split())), flush=True)
# At once: other threads of the server have nothing left to do.
os._exit(0)
