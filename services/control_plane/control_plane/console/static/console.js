// The console's own behaviour: search boxes, questions before changes, copying, and the schedule's form.
"use strict";

// Search boxes ask the server; one that depends on another field sends its value along.
document.querySelectorAll("select[data-search-url]").forEach((select) => {
  const dependsOn = select.dataset.dependsOn;
  const other = dependsOn ? document.getElementById(dependsOn) : null;
  $(select).select2({
    placeholder: select.multiple ? "Type to search" : "Choose",
    width: "100%",
    ajax: {
      url: select.dataset.searchUrl,
      delay: 200,
      data: (params) => ({
        name: select.dataset.lookup,
        term: params.term || "",
        ...(other ? { [dependsOn]: other.value } : {}),
      }),
    },
    language: {
      noResults: () => (other && !other.value ? "Choose the site first" : "Nothing found"),
      errorLoading: () => "The server does not answer",
    },
  });
});
document.querySelectorAll("select[name=timezone]").forEach((select) => $(select).select2({ width: "100%" }));
// The box that stands in for a select is named and described by what names and describes the select.
document.querySelectorAll("select.select2-hidden-accessible").forEach((select) => {
  const box = $(select).data("select2").$selection;
  const shown = box.find(".select2-selection__rendered").attr("id") || "";
  box.attr("aria-labelledby", `${select.id}-label ${shown}`.trim());
  const described = select.getAttribute("aria-describedby");
  if (described) box.attr("aria-describedby", described);
  document.getElementById(`${select.id}-label`).addEventListener("click", () => box.trigger("focus"));
});
// select2 leaves the cursor outside its own search box.
$(document).on("select2:open", () => {
  const box = document.querySelector(".select2-container--open .select2-search__field");
  if (box) box.focus();
});

// A change that can't be taken back is asked about first, in a dialog of the page.
document.querySelectorAll("form[data-confirm]").forEach((form) => {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const dialog = document.createElement("dialog");
    dialog.className = "confirm card";
    const text = document.createElement("p");
    text.textContent = form.dataset.confirm;
    text.id = "question";
    dialog.setAttribute("aria-labelledby", "question");
    const buttons = document.createElement("div");
    buttons.className = "btn-list justify-content-end";
    const no = document.createElement("button");
    no.className = "btn";
    no.textContent = "Cancel";
    const yes = document.createElement("button");
    yes.className = "btn btn-danger";
    yes.textContent = form.dataset.confirmButton;
    no.addEventListener("click", () => dialog.close());
    yes.addEventListener("click", () => { dialog.close(); form.submit(); });
    dialog.addEventListener("close", () => dialog.remove());
    buttons.append(no, yes);
    dialog.append(text, buttons);
    document.body.append(dialog);
    dialog.showModal();
  });
});

// After a refused form the cursor stands in the first field that is wrong.
const wrong = document.querySelector(".is-invalid:not(.select2-hidden-accessible)");
if (wrong) wrong.focus();

// The overview stays true on a screen that nobody touches.
document.querySelectorAll("[data-reload-seconds]").forEach((part) => {
  setInterval(() => { if (!document.hidden) location.reload(); }, Number(part.dataset.reloadSeconds) * 1000);
});

// Copying: the clipboard where the page may use it (https or this machine), else by selecting.
document.querySelectorAll("[data-copy]").forEach((button) => {
  button.addEventListener("click", async () => {
    const source = document.querySelector(button.dataset.copy);
    const label = button.querySelector("span");
    const text = "value" in source ? source.value : source.textContent;
    let copied = false;
    try {
      await navigator.clipboard.writeText(text);
      copied = true;
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      if (source.select) source.select();
      else { getSelection().removeAllRanges(); getSelection().addRange(range); }
      copied = document.execCommand("copy");
    }
    label.textContent = copied ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { label.textContent = "Copy"; }, 3000);
  });
});

// A filter that is chosen is applied; empty ones stay out of the address.
document.querySelectorAll("form[data-auto-submit]").forEach((form) => {
  form.querySelectorAll("select").forEach((select) => select.addEventListener("change", () => form.requestSubmit()));
  form.addEventListener("submit", () => {
    form.querySelectorAll("input, select").forEach((field) => { if (!field.value) field.disabled = true; });
  });
});

// The schedule's form shows what its type uses, and sends only that.
document.querySelectorAll("form[data-form=schedule]").forEach((form) => {
  const type = form.elements.schedule_type;
  const labels = { start_date: ["First day", "Day"], end_date: ["Last day", "Ends on"] };
  const show = (name, visible) => {
    const part = form.querySelector(`[data-field=${name}]`);
    part.hidden = !visible;
    part.querySelectorAll("input").forEach((input) => { input.disabled = !visible; });
  };
  const update = () => {
    const once = type.value === "once";
    show("days_of_week", type.value === "weekly");
    show("start_time", type.value !== "continuous");
    show("end_time", type.value !== "continuous");
    for (const [name, [usual, single]] of Object.entries(labels)) {
      form.querySelector(`[data-field=${name}] label`).textContent = once ? single : usual;
    }
  };
  type.addEventListener("change", update);
  update();
  $(form.elements.camera_id).on("select2:select", (event) => {
    const zone = event.params.data.zone;
    form.querySelector("[data-zone]").textContent = zone ? `: ${zone}` : "";
  });
});

// A command's page shows the answer as soon as there is one: the server answers when the state is another.
document.querySelectorAll("[data-follow]").forEach(async (part) => {
  const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });
  for (;;) {
    try {
      const answer = await fetch(`${part.dataset.follow}?shown=${encodeURIComponent(part.dataset.shown)}`);
      // Logged out, or deleted: the page itself says so.
      if (answer.redirected || answer.status === 404) break;
      if (answer.ok && (await answer.json()).state !== part.dataset.shown) break;
      if (!answer.ok) await pause(3);
    } catch {
      await pause(3);
    }
  }
  location.reload();
});

// Beside the schedule's form: what it would record. Asked for anew while it is filled in; nothing is saved by it.
document.querySelectorAll("[data-preview-url]").forEach((panel) => {
  const form = document.querySelector("form[data-form=schedule]");
  const part = panel.querySelector("[data-preview]");
  let waiting, asking;
  const ask = async () => {
    if (asking) asking.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(panel.dataset.previewUrl, { method: "POST", body: new FormData(form), signal: asking.signal });
      // Whoever was logged out meanwhile is told so when the form is saved.
      if (answer.ok && !answer.redirected) part.innerHTML = await answer.text();
    } catch (error) {
      if (error.name !== "AbortError") part.textContent = "The server does not answer";
    }
  };
  const soon = () => { clearTimeout(waiting); waiting = setTimeout(ask, 250); };
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  // select2 tells of a choice by an event of jQuery's only.
  $(form).on("select2:select select2:unselect", soon);
  ask();
});

// A recording's segments, one after the other.
document.querySelectorAll("video[data-playlist]").forEach((video) => {
  const list = JSON.parse(video.dataset.playlist);
  const told = document.querySelector("[data-now-playing]");
  let at = 0;
  const load = (index, play) => {
    at = index;
    video.src = list[at].url;
    told.textContent = `${at + 1} of ${list.length}: ${list[at].label}`;
    if (play) video.play().catch(() => {});
  };
  video.addEventListener("ended", () => { if (at + 1 < list.length) load(at + 1, true); });
  video.addEventListener("error", () => {
    told.textContent = `${list[at].label}: this browser can't play it (${list[at].codec}), or it is not in the store any more.`;
  });
  document.querySelectorAll("[data-play]").forEach((button) => {
    button.addEventListener("click", () => {
      load(list.findIndex((one) => one.id === button.dataset.play), true);
      video.scrollIntoView({ behavior: "smooth", block: "center" });
    });
  });
  load(0, false);
});
