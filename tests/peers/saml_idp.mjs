// An identity provider that others wrote (https://github.com/auth0/node-samlp): for each set of options that stands in
// the list on standard input, the response that it makes; as a list on standard output.
import samlp from "samlp";

let input = "";
for await (const chunk of process.stdin) input += chunk;

const respond = (options) => new Promise((resolve, reject) => {
  const user = { id: options.subject, emails: [{ value: options.subject }], displayName: "Ada Lovelace", name: {} };
  samlp.getSamlResponse(options, user, (error, xml) => (error ? reject(error) : resolve(xml)));
});

const responses = [];
for (const options of JSON.parse(input)) responses.push(await respond(options));
process.stdout.write(JSON.stringify(responses));
