// The talk between a test and its helper: one JSON line when the helper is ready, then one for each line that it is sent.
// It ends when its standard input does, or with an error that the test shows.
import readline from 'node:readline';

export async function serve(ready, answer) {
  console.log(JSON.stringify(ready));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(...line.split(' '))));
  }
  process.exit(0);
}
