"use strict";
const place = document.getElementById("swagger-ui");
const version = new URLSearchParams(window.location.search).get("version") === "v2" ? "v2" : "v1";

window.ui = SwaggerUIBundle({
  url: `${place.dataset.document}?version=${version}`,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  // The document is ours; nothing is sent to a validator of somebody else's.
  validatorUrl: null,
});
