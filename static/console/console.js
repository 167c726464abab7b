/* Dialogs in the page's window, for keyboards: focus goes in, stays in, and comes back. */
(() => {
  "use strict";
  let opener = null;

  const box = () => document.getElementById("modal-content");
  const isOpen = () => {
    const shown = box();
    return shown !== null && shown.querySelector("#dialog") !== null && shown.offsetParent !== null;
  };
  const reachable = () =>
    [...box().querySelectorAll("a[href], button, input, select, textarea")].filter(
      (element) => !element.disabled && element.type !== "hidden" && element.offsetParent !== null,
    );

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.closest("#modal-content") === null) {
      opener = event.detail.elt;
    }
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    const shown = box();
    if (shown === null || !shown.contains(event.target)) {
      return;
    }
    shown.setAttribute("role", "dialog");
    shown.setAttribute("aria-modal", "true");
    shown.setAttribute("aria-labelledby", "dialog-title");
    requestAnimationFrame(() => {
      const first =
        shown.querySelector(".errors input, .errors select, .errors textarea") ||
        shown.querySelector("[autofocus]") ||
        reachable()[0];
      if (first) {
        first.focus();
      }
    });
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && opener !== null) {
      const back = opener;
      opener = null;
      requestAnimationFrame(() => back.focus());
    }
    if (event.key !== "Tab" || !isOpen()) {
      return;
    }
    const elements = reachable();
    const edge = event.shiftKey ? elements[0] : elements[elements.length - 1];
    if (elements.length > 0 && (document.activeElement === edge || !box().contains(document.activeElement))) {
      event.preventDefault();
      (event.shiftKey ? elements[elements.length - 1] : elements[0]).focus();
    }
  });
})();
