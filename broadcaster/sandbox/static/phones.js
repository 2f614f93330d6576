"use strict";

// Keeps the phones fresh. Without this script the page still shows and sends everything.
(() => {
  const forms = [...document.querySelectorAll(".phone form")];
  const connection = document.getElementById("connection");

  const chosen = (form) => form.querySelector('input[name="sender"]:checked');
  const phoneOf = (form) => form.elements.phone.value;

  function element(name, className, text) {
    const node = document.createElement(name);
    node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function makeBubble(bubble) {
    const side = bubble.mine ? "mine" : "theirs";
    const service = bubble.direction === "service" ? " service" : "";
    const node = element("div", `bubble ${bubble.channel} ${side}${service} fresh`);
    node.dataset.sid = bubble.sid;
    node.append(element("p", "text", bubble.body), element("p", "meta"));
    return node;
  }

  function refreshBubble(node, bubble) {
    const seen = `${bubble.state}|${bubble.note}|${bubble.body}`;
    if (node.dataset.seen === seen) return;
    node.dataset.seen = seen;
    node.querySelector(".text").textContent = bubble.body;
    node.querySelector(".note")?.remove();
    const meta = node.querySelector(".meta");
    if (bubble.note) meta.before(element("p", "note", bubble.note));
    const time = element("time", "", bubble.clock);
    time.dateTime = bubble.time;
    meta.replaceChildren(time);
    if (bubble.state) {
      const ticks = element("span", `ticks ${bubble.state}`);
      ticks.append(element("span", "hidden", bubble.state));
      meta.append(ticks);
    }
  }

  function toEnd(screen) {
    screen.scrollTop = screen.scrollHeight;
  }

  function refreshPhone(phone) {
    const article = document.getElementById(phone.anchor);
    if (!article) return;
    const form = article.querySelector("form");
    const screen = article.querySelector(".screen");
    const known = new Map([...screen.querySelectorAll(".bubble")].map((n) => [n.dataset.sid, n]));
    const wasAtEnd = screen.scrollHeight - screen.scrollTop - screen.clientHeight < 48;
    let added = false;
    for (const bubble of phone.bubbles) {
      let node = known.get(bubble.sid);
      if (!node) {
        node = makeBubble(bubble);
        screen.append(node);
        added = true;
        if (!bubble.mine && bubble.channel !== chosen(form)?.dataset.channel) showDot(form, bubble.channel);
      }
      refreshBubble(node, bubble);
    }
    if (added && wasAtEnd) toEnd(screen);
    markRead(form);
  }

  function showDot(form, channel) {
    for (const radio of form.querySelectorAll(`input[data-channel="${channel}"]`)) {
      radio.parentElement.querySelector(".dot").hidden = false;
    }
  }

  // A WhatsApp message counts as read once its phone shows WhatsApp on a page that is looked at.
  function markRead(form) {
    const radio = chosen(form);
    if (radio?.dataset.channel !== "whatsapp" || document.hidden) return;
    const unread = form.querySelectorAll(".bubble.whatsapp.theirs:not([data-read])");
    if (!unread.length) return;
    for (const node of unread) node.dataset.read = "1";
    fetch(`/sandbox/phones/${encodeURIComponent(phoneOf(form))}/read`, { method: "POST" }).catch(() => {});
  }

  async function send(form, body) {
    const trouble = form.querySelector(".trouble");
    trouble.hidden = true;
    const data = new URLSearchParams({ phone: phoneOf(form), sender: chosen(form)?.value ?? "", body });
    try {
      const answer = await fetch(form.action, { method: "POST", body: data, headers: { Accept: "application/json" } });
      if (answer.ok) return true;
      trouble.textContent = (await answer.json()).error;
    } catch {
      trouble.textContent = "The sandbox does not answer. Is it still running?";
    }
    trouble.hidden = false;
    return false;
  }

  for (const form of forms) {
    const screen = form.querySelector(".screen");
    toEnd(screen);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const chip = event.submitter?.name === "chip" ? event.submitter.value : "";
      const input = form.elements.body;
      const text = chip || input.value;
      if (!text.trim()) return;
      toEnd(screen);
      if (!chip) input.value = "";
      const sent = await send(form, text);
      if (!sent && !chip && !input.value) input.value = text;
    });
    form.addEventListener("change", (event) => {
      if (event.target.name !== "sender") return;
      event.target.parentElement.querySelector(".dot").hidden = true;
      toEnd(screen);
      markRead(form);
    });
  }

  document.addEventListener("visibilitychange", () => forms.forEach(markRead));

  const events = new EventSource("/sandbox/events");
  events.addEventListener("message", (event) => refreshPhone(JSON.parse(event.data)));
  events.addEventListener("open", () => { connection.textContent = ""; });
  events.addEventListener("error", () => { connection.textContent = "Connection lost; trying again…"; });
})();
