// Renders blocks and their elements. `use` handles presses; the inputs of a form keep their value until it closes.
import { el, link, markdown, words } from "/page/text.js";

export function block(data, use) {
  const make = BLOCKS[data.type];
  const node = make ? make(data, use) : el("div", { className: "unsupported" }, `Unsupported block: ${data.type}`);
  node.classList.add("block");
  return node;
}

function section(data, use) {
  const body = el("div", {}, ...(data.text ? [el("div", {}, ...words(data.text, use.names))] : []));
  if (data.fields) body.append(el("div", { className: "fields" }, ...data.fields.map((one) => el("div", {}, ...words(one, use.names)))));
  return el("div", { className: "section" }, body, data.accessory ? element(data.accessory, data, use) : null);
}

const header = (data) => el("div", { className: "heading" }, ...words(data.text, {}));
const divider = () => el("hr");
const prose = (data) => el("div", {}, ...markdown(data.text));
const actions = (data, use) => el("div", { className: "actions" }, ...data.elements.map((one) => element(one, data, use)));
const image = (data) => el("div", { className: "quiet" }, `[image: ${data.alt_text}]`);

function context(data, use) {
  const part = (one) => (one.type === "image" ? image(one) : el("span", {}, ...words(one, use.names)));
  return el("div", { className: "context" }, ...data.elements.map(part));
}

function table(data, use) {
  const cell = (one) => el("td", {}, one.type === "rich_text" ? rich_text(one, use) : String(one.text ?? one.value));
  return el("div", {}, el("table", {}, ...data.rows.map((row) => el("tr", {}, ...row.map(cell)))));
}

// rich text

function rich_text(data, use) {
  return el("div", {}, ...data.elements.map((part) => richPart(part, use)));
}

function richPart(part, use) {
  const inside = () => part.elements.map((one) => inline(one, use));
  if (part.type === "rich_text_preformatted") return el("pre", {}, ...inside());
  if (part.type === "rich_text_quote") return el("blockquote", {}, ...inside());
  if (part.type === "rich_text_list") {
    return el(part.style === "ordered" ? "ol" : "ul", {}, ...part.elements.map((item) => el("li", {}, richPart(item, use))));
  }
  return el("div", {}, ...inside());
}

function inline(one, use) {
  const kinds = {
    text: () => document.createTextNode(one.text),
    link: () => link(one.url, one.text),
    user: () => el("span", { className: "mention" }, `@${use.names.people[one.user_id] ?? one.user_id}`),
    channel: () => el("span", { className: "mention" }, `#${use.names.channels[one.channel_id] ?? one.channel_id}`),
    usergroup: () => el("span", { className: "mention" }, `@${use.names.groups[one.usergroup_id] ?? one.usergroup_id}`),
    broadcast: () => el("span", { className: "mention" }, `@${one.range}`),
    date: () => document.createTextNode(new Date(one.timestamp * 1000).toLocaleString()),
    emoji: () => document.createTextNode(`:${one.name}:`),
  };
  let node = kinds[one.type] ? kinds[one.type]() : el("span", { className: "unsupported" }, one.type);
  for (const [style, tag] of [["bold", "b"], ["italic", "i"], ["strike", "s"], ["code", "code"]]) {
    if (one.style?.[style]) node = el(tag, {}, node);
  }
  return node;
}

// elements

const plain = (text) => text?.text ?? "";
const allOptions = (data) => [...(data.options ?? []), ...(data.option_groups ?? []).flatMap((group) => group.options)];

function element(data, home, use) {
  if (data.type === "button") return button(data, home, use);
  if (data.type === "overflow") return menu(data, home, use, "⋯");
  if (data.type === "image") return image(data);
  const field = FIELDS[data.type];
  if (!field) return el("span", { className: "unsupported" }, `Unsupported element: ${data.type}`);
  const node = field(data, home, use);
  if (home.type !== "input" || home.dispatch_action) {
    node.addEventListener("change", () => use.press(home, data, node.chosen()));
  }
  return node;
}

function button(data, home, use) {
  const press = async (event) => {
    if (data.confirm && !(await use.confirm(data.confirm))) return;
    event.target.disabled = true;
    await use.press(home, data);
    event.target.disabled = false;
    if (data.url) window.open(link(data.url).href, "_blank", "noopener");
  };
  return el("button", { type: "button", className: data.style ?? "", onclick: press }, plain(data.text));
}

function menu(data, home, use, label) {
  const choose = async (event) => {
    const value = event.target.value;
    event.target.value = "";
    if (value && (!data.confirm || (await use.confirm(data.confirm)))) use.press(home, data, value);
  };
  const offers = data.options.map((option) => el("option", { value: option.value }, plain(option.text)));
  return el("select", { className: "menu", onchange: choose, ariaLabel: "More actions" }, el("option", { value: "" }, label), ...offers);
}

function select(data, home, use) {
  const state = use.state(home, data), multiple = data.type.startsWith("multi_");
  const first = new Set((multiple ? state?.selected_options ?? [] : [state?.selected_option]).filter(Boolean).map((one) => one.value));
  const offers = allOptions(data).map((one) => el("option", { value: one.value, selected: first.has(one.value) }, plain(one.text)));
  const empty = multiple ? [] : [el("option", { value: "", selected: !first.size }, plain(data.placeholder) || "…")];
  const node = el("select", { multiple }, ...empty, ...offers);
  node.chosen = () => (multiple ? [...node.selectedOptions].map((one) => one.value) : node.value || null);
  return node;
}

function external(data, home, use) {
  const multiple = data.type.startsWith("multi_");
  const known = new Map(), list = el("datalist", { id: `offers-${home.block_id}-${data.action_id}` });
  const first = use.state(home, data)?.selected_option;
  const typed = el("input", { placeholder: plain(data.placeholder) || "Type to search", value: first ? plain(first.text) : "" });
  typed.setAttribute("list", list.id);
  const offer = async () => {
    const options = await use.suggest(home, data, typed.value);
    options.forEach((one) => known.set(plain(one.text), one));
    list.replaceChildren(...options.map((one) => el("option", { value: plain(one.text) })));
  };
  if (first) known.set(plain(first.text), first);
  typed.addEventListener("focus", offer);
  typed.addEventListener("input", (event) => { if (!known.has(typed.value)) offer(event); });
  const node = el("span", {}, typed, list);
  node.chosen = () => { const one = known.get(typed.value) ?? null; return multiple ? (one ? [one] : []) : one; };
  return node;
}

function boxes(data, home, use) {
  const single = data.type === "radio_buttons", state = use.state(home, data);
  const first = new Set((single ? [state?.selected_option] : state?.selected_options ?? []).filter(Boolean).map((one) => one.value));
  const name = `${home.block_id}-${data.action_id}`;
  const box = (one) => el("label", { className: "option" },
    el("input", { type: single ? "radio" : "checkbox", name, value: one.value, checked: first.has(one.value) }), " ", plain(one.text),
    one.description ? el("small", { className: "quiet" }, ` ${plain(one.description)}`) : null);
  const node = el("div", {}, ...data.options.map(box));
  node.chosen = () => {
    const values = [...node.querySelectorAll("input:checked")].map((one) => one.value);
    return single ? values[0] ?? null : values;
  };
  return node;
}

function entry(type, key) {
  return (data, home, use) => {
    const value = use.state(home, data)?.[key] ?? "", placeholder = plain(data.placeholder);
    const node = data.multiline ? el("textarea", { rows: 4, value, placeholder }) : el("input", { type, value, placeholder });
    if (data.max_length) node.maxLength = data.max_length;
    node.chosen = () => node.value || null;
    return node;
  };
}

function picker(list, key, several) {
  return (data, home, use) => {
    const state = use.state(home, data)?.[key], first = new Set(several ? state ?? [] : [state]);
    const offers = Object.entries(use.names[list]).map(([id, name]) => el("option", { value: id, selected: first.has(id) }, name));
    const node = el("select", { multiple: several }, ...(several ? [] : [el("option", { value: "" }, "…")]), ...offers);
    node.chosen = () => (several ? [...node.selectedOptions].map((one) => one.value) : node.value || null);
    return node;
  };
}

function moment(data, home, use) {
  const first = use.state(home, data)?.selected_date_time;
  const node = el("input", { type: "datetime-local" });
  if (first) node.value = new Date(first * 1000 - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  node.chosen = () => (node.value ? Math.floor(new Date(node.value).getTime() / 1000) : null);
  return node;
}

const FIELDS = {
  plain_text_input: entry("text", "value"), number_input: entry("number", "value"), email_text_input: entry("email", "value"),
  url_text_input: entry("url", "value"), datepicker: entry("date", "selected_date"), timepicker: entry("time", "selected_time"),
  datetimepicker: moment, static_select: select, multi_static_select: select, external_select: external,
  multi_external_select: external, checkboxes: boxes, radio_buttons: boxes,
  users_select: picker("people", "selected_user", false), multi_users_select: picker("people", "selected_users", true),
  channels_select: picker("channels", "selected_channel", false), multi_channels_select: picker("channels", "selected_channels", true),
  conversations_select: picker("channels", "selected_conversation", false),
  multi_conversations_select: picker("channels", "selected_conversations", true),
};

function input(data, use) {
  const field = element(data.element, data, use), error = use.errors?.[data.block_id];
  use.inputs?.set(data.block_id, field);
  const name = plain(data.label) + (data.optional ? " (optional)" : "");
  return el("div", { className: "input" }, el("label", {}, name), field,
    error ? el("div", { className: "error", role: "alert" }, error) : null,
    data.hint ? el("small", { className: "quiet" }, plain(data.hint)) : null);
}

const BLOCKS = { section, header, context, actions, divider, input, rich_text, markdown: prose, table, image };
