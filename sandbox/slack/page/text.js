// Text as the page shows it. Everything becomes text nodes; only http, https and mailto become links.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function link(url, label) {
  let safe = null;
  try {
    safe = ["http:", "https:", "mailto:"].includes(new URL(url).protocol) ? url : null;
  } catch { /* not an address at all */ }
  return safe ? el("a", { href: safe, target: "_blank", rel: "noopener noreferrer" }, label || url) : el("span", {}, label || url);
}

const SIGNS = {
  white_check_mark: "✅", x: "❌", warning: "⚠️", eyes: "👀", hourglass: "⌛", hourglass_flowing_sand: "⏳", lock: "🔒",
  no_entry: "⛔", rotating_light: "🚨", floppy_disk: "💾", arrows_counterclockwise: "🔄", mag: "🔍", tada: "🎉",
  double_vertical_bar: "⏸️", information_source: "ℹ️", clock1: "🕐", wastebasket: "🗑️", bell: "🔔", question: "❓",
  heavy_check_mark: "✔️", large_green_circle: "🟢", red_circle: "🔴", large_yellow_circle: "🟡", white_circle: "⚪",
};

const decode = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
const emoji = (text) => text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => SIGNS[name] ?? whole);
const RULES = [
  [/```([\s\S]+?)```/, (m) => el("pre", {}, decode(m[1].replace(/^\n/, "")))],
  [/`([^`\n]+)`/, (m) => el("code", {}, decode(m[1]))],
  [/<([^<>\n]+)>/, (m, names) => reference(m[1], names)],
  [/(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])/, (m, names) => el("b", {}, ...marked(m[1], names))],
  [/(?<![\w_])_(?=\S)([^_\n]+?)(?<=\S)_(?![\w_])/, (m, names) => el("i", {}, ...marked(m[1], names))],
  [/(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])/, (m, names) => el("s", {}, ...marked(m[1], names))],
  [/^(?:&gt;|>) ?(.*)$/m, (m, names) => el("blockquote", {}, ...marked(m[1], names))],
  [/\n/, () => el("br")],
];

function reference(inside, names) {
  const [target, label] = inside.split(/\|(.*)/s);
  const mention = (text) => el("span", { className: "mention" }, text);
  if (target.startsWith("@")) return mention(`@${names.people[target.slice(1)] ?? label ?? target.slice(1)}`);
  if (target.startsWith("#")) return mention(`#${names.channels[target.slice(1)] ?? label ?? target.slice(1)}`);
  if (target.startsWith("!subteam^")) return mention(`@${names.groups[target.slice(9)] ?? label ?? "group"}`);
  if (target.startsWith("!date^")) return date(target, label);
  if (target.startsWith("!")) return mention(`@${target.slice(1)}`);
  return link(decode(target), decode(label ?? target));
}

function date(target, fallback) {
  const [, seconds, format] = target.split("^");
  const when = new Date(Number(seconds) * 1000);
  if (Number.isNaN(when.getTime())) return document.createTextNode(fallback ?? "");
  const day = when.toLocaleDateString(), time = when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const shown = format.replace(/\{date[a-z_]*\}/g, day).replace(/\{time[a-z_]*\}/g, time).replace(/\{ago\}/g, `${day} ${time}`);
  return el("time", { dateTime: when.toISOString() }, shown);
}

// mrkdwn to nodes: the rule that matches first in the text takes its piece, the rest is looked at again.
export function marked(text, names) {
  const nodes = [];
  while (text) {
    let best = null;
    for (const [pattern, make] of RULES) {
      const found = pattern.exec(text);
      if (found && (!best || found.index < best.found.index)) best = { found, make };
    }
    if (!best) break;
    nodes.push(document.createTextNode(emoji(decode(text.slice(0, best.found.index)))), best.make(best.found, names));
    text = text.slice(best.found.index + best.found[0].length);
  }
  nodes.push(document.createTextNode(emoji(decode(text))));
  return nodes;
}

const MARKDOWN = [
  [/```\w*\n?([\s\S]+?)```/, (m) => el("pre", {}, m[1])],
  [/`([^`\n]+)`/, (m) => el("code", {}, m[1])],
  [/\[([^\]\n]+)\]\(([^)\s]+)\)/, (m) => link(m[2], m[1])],
  [/\*\*([^*\n]+)\*\*/, (m) => el("b", {}, m[1])],
  [/^#{1,6} +(.+)$/m, (m) => el("span", { className: "heading" }, m[1])],
  [/^[-*] +/m, () => document.createTextNode("• ")],
  [/\n/, () => el("br")],
];

export function markdown(text) {
  const nodes = [];
  while (text) {
    const found = MARKDOWN.map(([pattern, make]) => ({ m: pattern.exec(text), make })).filter((one) => one.m);
    if (!found.length) break;
    const best = found.reduce((a, b) => (b.m.index < a.m.index ? b : a));
    nodes.push(document.createTextNode(text.slice(0, best.m.index)), best.make(best.m));
    text = text.slice(best.m.index + best.m[0].length);
  }
  return [...nodes, document.createTextNode(text)];
}

export const words = (text, names) =>
  text.type === "mrkdwn" ? marked(text.text, names) : [document.createTextNode(emoji(text.text))];
