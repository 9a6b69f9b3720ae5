// What pages do on top of htmx; every page works without it.
"use strict";

document.documentElement.classList.add("js");

// Copy buttons are hidden until there is a script to serve them.
function reveal(root) {
  for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}

async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea"); // without HTTPS there is no clipboard API
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-submit-on-change]");
  if (form) form.requestSubmit();
});

// A second click on the button of a form that is under way does nothing. The server would not make a second one either.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-once]")) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("[data-sent]")) delete form.dataset.sent;
});

// One live region outside of what is swapped, so that screen readers hear each new sentence once.
function announce() {
  const region = document.getElementById("live-status");
  const source = document.querySelector("[data-status]");
  if (region && source && region.textContent !== source.dataset.status) region.textContent = source.dataset.status;
}

document.addEventListener("htmx:afterSettle", () => { reveal(document); announce(); });
document.addEventListener("DOMContentLoaded", () => {
  reveal(document);
  const focus = document.querySelector("[data-focus]");
  if (focus) focus.focus();
});
