/**
 * The page's script: shows changes as they come. A stream of events has the changed part as HTML, which the server made
 * and escaped. The place of the keyboard and of the reader stays.
 */
export const liveScript = `"use strict";
(() => {
  const live = document.getElementById("live");
  const say = (text) => { if (live.textContent !== text) live.textContent = text; };
  const source = new EventSource(document.body.dataset.events);
  source.onopen = () => say("Live");
  source.onerror = () => say(source.readyState === 2 ? "Your access has ended. Reload the page." : "Connection lost. Trying again.");
  source.onmessage = ({ data }) => {
    const next = new DOMParser().parseFromString(data, "text/html").getElementById("main");
    const main = document.getElementById("main");
    if (!next || next.isEqualNode(main)) return;
    const focusable = (of) => [...of.querySelectorAll("a,[tabindex]")];
    const index = focusable(main).indexOf(document.activeElement);
    main.replaceWith(next);
    if (index >= 0) focusable(next)[index]?.focus({ preventScroll: true });
  };
})();
`;
