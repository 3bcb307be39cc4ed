// aws-jwt-verify with the keys at hand, for access and id tokens of one user pool and some of its clients.
//
// Standard input: `{issuer, jwks, clients, good, tokens: {NAME: TOKEN}}`
// Prints one JSON object: `{errors: {NAME: null or why it is refused}, nanoseconds}`, the latter what the good token takes (median).
import { text } from 'node:stream/consumers';
import { JwtVerifier } from 'aws-jwt-verify';
import { validateCognitoJwtFields } from 'aws-jwt-verify/cognito-verifier';

const { issuer, jwks, clients, good, tokens } = JSON.parse(await text(process.stdin));

const verifier = JwtVerifier.create({
  issuer,
  audience: null,
  jwksUri: `${issuer}/jwks.json`,
  graceSeconds: 60,
  customJwtCheck: ({ payload }) => validateCognitoJwtFields(payload, { tokenUse: null, clientId: clients }),
});
verifier.cacheJwks(jwks);

const errors = {};
for (const [name, token] of Object.entries(tokens)) {
  try {
    verifier.verifySync(token);
    errors[name] = null;
  } catch (error) {
    errors[name] = `${error.constructor.name}: ${error.message}`;
  }
}

const times = [];
for (let round = 0; round < 50; round += 1) {
  const begin = process.hrtime.bigint();
  for (let turn = 0; turn < 20; turn += 1) verifier.verifySync(good);
  times.push(Number(process.hrtime.bigint() - begin) / 20);
}
times.sort((a, b) => a - b);
console.log(JSON.stringify({ errors, nanoseconds: Math.round(times[times.length / 2]) }));
