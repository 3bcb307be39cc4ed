// A real user pool with real users: cognito-local, driven only through the API that Amazon Cognito has.
//
// Usage: node cognito.mjs USER...     in a directory of its own: cognito-local keeps its data below it
// Prints one JSON line, `{issuer, client_id, users: {USER: {access_token, id_token, sub}}}`, when everybody has signed in;
// then serves its key set until standard input ends.
import http from 'node:http';
import { createRequire } from 'node:module';

const PASSWORD = 'Correct-horse-7';

// The port is taken before cognito-local is loaded, because it writes the address into `iss` when it is.
const server = http.createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = `http://127.0.0.1:${server.address().port}`;
process.env.HOST = '127.0.0.1';
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = '1';
process.env.PORT = String(server.address().port);

const require = createRequire(import.meta.url);
const { createDefaultServer } = require('cognito-local');
const { application } = await createDefaultServer(require('pino')({ level: 'silent' }));
server.on('request', application);

async function call(operation, parameters) {
  const response = await fetch(`${address}/`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `AWSCognitoIdentityProviderService.${operation}`,
    },
    body: JSON.stringify(parameters),
  });
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(`${operation}: ${response.status} ${JSON.stringify(answer)}`);
  }
  return answer;
}

const { UserPool: pool } = await call('CreateUserPool', { PoolName: 'stackflow' });
const { UserPoolClient: client } = await call('CreateUserPoolClient', {
  UserPoolId: pool.Id,
  ClientName: 'web',
  ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH'],
});
await call('CreateGroup', { UserPoolId: pool.Id, GroupName: 'operators' });

async function signIn(name) {
  const user = { UserPoolId: pool.Id, Username: `${name}@example.com` };
  await call('AdminCreateUser', { ...user, MessageAction: 'SUPPRESS', UserAttributes: [{ Name: 'email', Value: user.Username }] });
  await call('AdminSetUserPassword', { ...user, Password: PASSWORD, Permanent: true });
  await call('AdminAddUserToGroup', { ...user, GroupName: 'operators' });
  const { AuthenticationResult: tokens } = await call('InitiateAuth', {
    AuthFlow: 'USER_PASSWORD_AUTH',
    ClientId: client.ClientId,
    AuthParameters: { USERNAME: user.Username, PASSWORD },
  });
  const { sub } = JSON.parse(Buffer.from(tokens.AccessToken.split('.')[1], 'base64url'));
  return { access_token: tokens.AccessToken, id_token: tokens.IdToken, sub };
}

const users = {};
for (const name of process.argv.slice(2)) {
  users[name] = await signIn(name);
}
console.log(JSON.stringify({ issuer: `${address}/${pool.Id}`, client_id: client.ClientId, users }));
process.stdin.resume().on('end', () => process.exit(0));
