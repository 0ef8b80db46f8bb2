// The simulator's page: shows what one person sees. The server sends to the bot what they do.
import { block } from "/page/blocks.js";
import { el, marked } from "/page/text.js";

const at = (id) => document.getElementById(id);
let state = null, me = localStorage.getItem("me") ?? "", place = "", thread = null, formHash = "";
const read = new Map();

// the server

async function post(action, body) {
  const answer = await fetch(`/console/${action}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user: state.me, ...body }),
  });
  const told = await answer.json().catch(() => ({ trouble: `The simulator returned HTTP ${answer.status}.` }));
  if (told.trouble) tell(told.trouble);
  return told;
}

let fading = 0;
function tell(text) {
  at("told").textContent = text;
  at("told").hidePopover();
  at("told").showPopover();  // above an open form
  clearTimeout(fading);
  fading = setTimeout(() => at("told").hidePopover(), 6000);
}

async function refresh() {
  const answer = await fetch(`/console/state?user=${encodeURIComponent(me)}`);
  if (!answer.ok) return;
  state = await answer.json();
  me = state.me;
  draw();
}

// what the person sees

const names = () => ({
  people: Object.fromEntries([...state.people, state.bot].map((one) => [one.id, one.name])),
  channels: Object.fromEntries(state.channels.filter((one) => !one.im).map((one) => [one.id, one.name])),
  groups: state.groups,
});

function draw() {
  at("who").replaceChildren(...state.people.map((one) => el("option", { value: one.id, selected: one.id === me }, one.real_name)));
  if (place !== "home" && !state.channels.some((one) => one.id === place)) place = state.channels[0]?.id ?? "home";
  at("channels").replaceChildren(...state.channels.map(channelButton));
  at("home-tab").setAttribute("aria-current", place === "home");
  at("composer").hidden = place === "home";
  if (place === "home") drawHome(); else drawChannel(state.channels.find((one) => one.id === place));
  drawForm();
}

function channelButton(channel) {
  const last = channel.messages.at(-1)?.ts ?? "", sign = channel.im ? "" : channel.private ? "🔒 " : "# ";
  if (channel.id === place) read.set(channel.id, last);
  const fresh = last > (read.get(channel.id) ?? "");
  const go = () => { place = channel.id; thread = null; draw(); at("line").focus(); };
  const button = el("button", { type: "button", className: fresh ? "fresh" : "", onclick: go }, sign + channel.name);
  button.setAttribute("aria-current", channel.id === place);
  return el("li", {}, button);
}

function drawChannel(channel) {
  at("place").textContent = (channel.im ? "Direct message with " : "#") + channel.name + (channel.bot ? "" : " · the bot isn't in this channel");
  const reply = (one) => one.thread_ts && one.thread_ts !== one.ts;
  const shown = channel.messages.filter((one) => !reply(one) || one.subtype === "thread_broadcast" || one.ephemeral);
  fill(at("messages"), shown.map((one) => message(one, channel, true)));
  at("thread").hidden = thread === null;
  const story = channel.messages.filter((one) => one.ts === thread || one.thread_ts === thread);
  fill(at("replies"), thread === null ? [] : story.map((one) => message(one, channel, false)));
}

// Keeps the list scrolled to its end if it was there.
function fill(list, nodes) {
  const end = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.replaceChildren(...nodes);
  if (end) list.scrollTop = list.scrollHeight;
}

function message(data, channel, threads) {
  const author = names().people[data.user] ?? "System", when = new Date(Number(data.ts) * 1000);
  const face = el("span", { className: "face" }, author[0].toUpperCase());
  face.style.background = `hsl(${[...author].reduce((sum, one) => sum * 31 + one.charCodeAt(0), 7) % 360} 45% 42%)`;
  const tags = [data.bot_id ? "app" : "", data.ephemeral ? "Only visible to you" : "", data.edited ? "edited" : ""].filter(Boolean);
  const by = el("div", { className: "by" }, el("b", {}, author), ...tags.map((tag) => el("span", { className: "tag" }, tag)),
    el("small", { title: data.ts }, when.toLocaleTimeString()));
  const body = el("div", {}, by, ...content(data, channel), ...(data.files ?? []).map(file), reactions(data));
  if (threads && !data.ephemeral) body.append(threadButton(data));
  return el("li", { className: `message ${data.ephemeral ? "ephemeral" : ""}` }, face, body);
}

function content(data, channel) {
  const use = { names: names(), ...pressing({ channel: channel.id, ts: data.ts }), state: () => null };
  if (data.blocks) return data.blocks.map((one) => block(one, use));
  const text = el("div", { className: "block" }, ...marked(data.text, use.names));
  return [text, ...(data.attachments ?? []).flatMap((one) => (one.blocks ?? []).map((inner) => block(inner, use)))];
}

function threadButton(data) {
  const label = data.reply_count ? `${data.reply_count} ${data.reply_count === 1 ? "reply" : "replies"}` : "Reply in thread";
  const open = () => { thread = data.thread_ts ?? data.ts; draw(); at("reply").focus(); };
  return el("button", { type: "button", className: "replies", onclick: open }, label);
}

const file = (data) => el("div", {}, "📄 ", el("a", { href: data.url_private, download: data.name }, data.title), ` ${fileSize(data.size)}`);
const fileSize = (bytes) => (bytes < 1000 ? `${bytes} bytes` : `${(bytes / 1000).toFixed(bytes < 10000 ? 1 : 0)} kB`);
const reactions = (data) => (data.reactions ? el("div", { className: "quiet" }, ...data.reactions.map((one) => `:${one.name}: ${one.count} `)) : null);

function drawHome() {
  at("place").textContent = `${state.bot.name} · App Home`;
  thread = null;
  at("thread").hidden = true;
  const use = { names: names(), ...pressing({ view: state.home?.id }), state: () => null };
  const blocks = state.home ? state.home.blocks.map((one) => block(one, use)) : [el("p", { className: "quiet" }, "The bot hasn't published its App Home yet.")];
  fill(at("messages"), [el("li", {}, ...blocks)]);
}

// what the person clicks

function pressing(where) {
  return {
    press: (home, data, chosen) => post("press", { ...where, block: home.block_id, action: data.action_id, chosen }),
    suggest: async (home, data, typed) =>
      (await post("suggest", { ...where, block: home.block_id, action: data.action_id, typed })).options ?? [],
    confirm,
  };
}

function confirm(data) {
  const dialog = at("confirm");
  return new Promise((resolve) => {
    const end = (answer) => () => { dialog.close(); resolve(answer); };
    dialog.oncancel = () => resolve(false);
    const yes = el("button", { type: "button", className: data.style ?? "primary", onclick: end(true) }, data.confirm?.text ?? "Confirm");
    const no = el("button", { type: "button", onclick: end(false) }, data.deny?.text ?? "Cancel");
    dialog.replaceChildren(el("h2", {}, data.title.text), el("div", {}, ...marked(data.text.text, names())), el("footer", {}, no, yes));
    dialog.showModal();
  });
}

// A form is drawn again only when the view changes, so that typed text is kept.
function drawForm() {
  const dialog = at("form"), view = state.form;
  const hash = view ? `${view.id} ${view.hash} ${JSON.stringify(view.errors)} ${view.trouble}` : "";
  if (hash === formHash) return;
  formHash = hash;
  if (!view) { dialog.close(); return; }
  const inputs = new Map();
  const use = {
    names: names(), inputs, errors: view.errors, ...pressing({ view: view.id }),
    state: (home, data) => view.state.values[home.block_id]?.[data.action_id],
  };
  const submit = el("button", { type: "button", className: "primary", onclick: (event) => send(event, view, inputs) }, view.submit?.text ?? "");
  const close = el("button", { type: "button", onclick: () => post("close", { view: view.id }) }, view.close?.text ?? "Close");
  dialog.replaceChildren(
    el("h2", {}, view.title.text),
    ...(view.trouble ? [el("p", { className: "error", role: "alert" }, view.trouble)] : []),
    ...view.blocks.map((one) => block(one, use)),
    el("footer", {}, close, view.submit ? submit : null),
  );
  dialog.oncancel = (event) => { event.preventDefault(); post("close", { view: view.id, everything: true }); };
  if (!dialog.open) dialog.showModal();
}

async function send(event, view, inputs) {
  event.target.disabled = true;
  const values = Object.fromEntries([...inputs].map(([id, field]) => [id, field.chosen()]));
  await post("submit", { view: view.id, values });
  event.target.disabled = false;
}

// what the person types

const history = [];
async function say(field, extra) {
  const text = field.value.trim();
  if (!text) return;
  history.push(text);
  field.value = "";
  await post("say", { channel: place, text, ...extra });
}

at("composer").addEventListener("submit", (event) => { event.preventDefault(); say(at("line"), {}); });
at("replier").addEventListener("submit", (event) => { event.preventDefault(); say(at("reply"), { thread }); });
at("line").addEventListener("keydown", (event) => {
  if (event.key === "ArrowUp" && !at("line").value) at("line").value = history.at(-1) ?? "";
});
at("thread-close").addEventListener("click", () => { thread = null; draw(); });
at("home-tab").addEventListener("click", () => { place = "home"; draw(); post("home", {}); });
at("who").addEventListener("change", (event) => { me = event.target.value; localStorage.setItem("me", me); thread = null; formHash = ""; refresh(); });

new EventSource("/console/changes").onmessage = refresh;
