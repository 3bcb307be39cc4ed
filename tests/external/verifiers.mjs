// Other people's verifiers in Node: aws-jwt-verify and jose. Each fetches the key set over https by itself.
//
// Standard input: `{jwks_uri, issuer, audience, tokens: {NAME: TOKEN}}`
// Prints one JSON object: per verifier and name `{sub}`, or `{error}`.
import { text } from 'node:stream/consumers';
import { JwtVerifier } from 'aws-jwt-verify';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const { jwks_uri: jwksUri, issuer, audience, tokens } = JSON.parse(await text(process.stdin));

const aws = JwtVerifier.create({ issuer, audience, jwksUri });
const keys = createRemoteJWKSet(new URL(jwksUri));

const verifiers = {
  'aws-jwt-verify': (token) => aws.verify(token),
  jose: async (token) => (await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt' })).payload,
};

const results = {};
for (const [name, verify] of Object.entries(verifiers)) {
  results[name] = {};
  for (const [kind, token] of Object.entries(tokens)) {
    try {
      const { sub } = await verify(token);
      results[name][kind] = { sub };
    } catch (error) {
      results[name][kind] = { error: `${error.constructor.name}: ${error.message}` };
    }
  }
}
console.log(JSON.stringify(results));
