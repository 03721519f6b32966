// The pages of the connect flow work without this; it closes a pop-up that is done with, and copies.
"use strict";
const SECONDS_TO_READ = 3;
if (document.querySelector("[data-done]") && window.opener) {
  window.setTimeout(() => window.close(), SECONDS_TO_READ * 1000);
}
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = "✓";
  });
}
