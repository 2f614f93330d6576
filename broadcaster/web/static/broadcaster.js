// Small comforts. Every page works without them.
(() => {
  "use strict";

  // The phone shows the text while it is being written.
  for (const field of document.querySelectorAll("[data-preview]")) {
    const bubble = document.getElementById(field.dataset.preview);
    const show = () => {
      const text = field.value.trim();
      bubble.textContent = text || bubble.dataset.empty;
      bubble.classList.toggle("bubble-empty", !text);
    };
    field.addEventListener("input", show);
    show();
  }

  // A form is sent once; the server refuses the second press as well.
  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) {
        event.preventDefault();
        return;
      }
      form.dataset.sent = "yes";
      for (const button of form.querySelectorAll("button")) {
        button.setAttribute("aria-disabled", "true");
      }
    });
  }
  // Coming back with the browser's button finds the form usable again.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("button")) {
        button.removeAttribute("aria-disabled");
      }
    }
  });

  // What is wrong is the first thing to hear and see.
  const faults = document.getElementById("faults");
  if (faults) faults.focus();
})();
