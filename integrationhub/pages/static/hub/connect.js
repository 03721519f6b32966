// The pages of the connect flow work without this; it tells who opened a pop-up, closes one that is done with, and copies.
"use strict";
const SECONDS_TO_READ = 3;
const done = document.querySelector("[data-connection]");
if (window.opener && done) {
  const { provider, connection, openerOrigin } = done.dataset;
  if (openerOrigin) {
    window.opener.postMessage({ type: "integrationhub.connected", provider, connection_id: connection }, openerOrigin);
  }
  // What was not granted is there to be read.
  if ("close" in done.dataset) window.setTimeout(() => window.close(), SECONDS_TO_READ * 1000);
}
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = button.dataset.copied;
  });
}
