// Sends a picture, a video or the camera's frames to the server, and shows the frames that come back.

const element = Object.fromEntries([...document.querySelectorAll("[id]")].map((each) => [each.id, each]));
const CAMERA = { width: { ideal: 640 }, height: { ideal: 480 } };

let kept = []; // frames of a video, to play again
let work = new AbortController(); // of what is under way
let last; // what another network is to do again; nothing while the camera runs, as its next frame is seen by it
let timer; // of the playing

async function* lines(stream) {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop();
    yield* parts.map((part) => JSON.parse(part));
  }
}

const ask = (what, query, options) => fetch(`${what}?${new URLSearchParams({ network: element.network.value, ...query })}`, options);

// Each frame of a picture or video, as it comes.
async function* segment(body, name, signal) {
  const response = await ask("segment", { name }, { method: "POST", body, signal });
  if (!response.ok) throw new TypeError(response.statusText);
  for await (const frame of lines(response.body)) {
    signal.throwIfAborted();
    if (frame.error) throw new Error(frame.error);
    yield frame;
  }
}

const show = (frame) => {
  for (const layer of ["image", "overlay", "colour"]) element[layer].src = frame[layer];
  element.pictures.hidden = false;
};

const milliseconds = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms a frame`;

const replay = (position) => {
  element.position.value = position;
  show(kept[position]);
  element.said.textContent = `frame ${position + 1} of ${kept.length}: ${milliseconds(kept[position].milliseconds)}`;
};

const pause = () => {
  clearTimeout(timer);
  timer = undefined;
  element.play.textContent = "Play";
};

const play = () => {
  const next = Number(element.position.value) + 1;
  if (next >= kept.length) return pause();
  replay(next);
  timer = setTimeout(play, 1000 * kept[next].seconds);
};

const aborted = (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

// Runs one thing at a time, and says what is wrong with it.
const start = async (task) => {
  work.abort();
  pause();
  const { signal } = (work = new AbortController());
  last = task === readCamera ? undefined : task;
  kept = [];
  element.replay.hidden = true;
  element.problem.textContent = element.said.textContent = "";
  element.stop.disabled = false;
  element.said.setAttribute("aria-busy", true); // a screen reader says the last time, not each
  try {
    await Promise.race([task(signal), aborted(signal)]); // some steps of a task know of no signal: a canvas's picture
  } catch (error) {
    if (work.signal === signal && error.name !== "AbortError") {
      element.problem.textContent = explained(error);
      element.pictures.hidden = !kept.length; // those of something else
    }
  }
  if (work.signal !== signal) return;
  work.abort(); // lets go of the camera
  element.stop.disabled = true;
  element.said.setAttribute("aria-busy", false);
  element.replay.hidden = kept.length < 2;
  element.position.max = element.position.value = kept.length - 1;
};

const explained = (error) => {
  if (error instanceof TypeError) return "the server does not answer; start `mfaranet demo` again, or see what it says";
  if (error instanceof DOMException) return `the camera gives no picture (${error.message}); allow it for this page, or take a file`;
  return error.message;
};

const readFile = (file) => async (signal) => {
  let total = 0;
  for await (const frame of segment(file, file.name, signal)) {
    show(frame);
    kept.push(frame);
    total += frame.milliseconds;
    const count = kept.length > 1 ? `${kept.length} frames, ` : "";
    element.said.textContent = `${file.name}: ${count}${milliseconds(total / kept.length)}`;
  }
};

const readCamera = async (signal) => {
  const stream = await navigator.mediaDevices.getUserMedia({ video: CAMERA });
  const release = () => stream.getTracks().forEach((track) => track.stop());
  if (signal.aborted) return release();
  signal.addEventListener("abort", release);
  const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true });
  await video.play();
  const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
  for (let count = 1; !signal.aborted; count++) {
    canvas.getContext("2d").drawImage(video, 0, 0);
    const picture = await new Promise((done) => canvas.toBlob(done, "image/jpeg"));
    for await (const frame of segment(picture, "camera", signal)) {
      show(frame);
      element.said.textContent = `camera, frame ${count}: ${milliseconds(frame.milliseconds)}`;
    }
  }
};

const choose = async () => {
  const response = await ask("classes");
  if (!response.ok) throw new TypeError(response.statusText);
  const { classes, error } = await response.json();
  if (error) throw new Error(error);
  const entries = classes.map(([name, colour]) => {
    const entry = document.createElement("li");
    const patch = document.createElement("span");
    patch.style.background = `rgb(${colour.join(", ")})`;
    entry.append(patch, name);
    return entry;
  });
  element.legend.replaceChildren(...entries);
};

element.file.addEventListener("change", () => element.file.files.length && start(readFile(element.file.files[0])));
element.camera.addEventListener("click", () => start(readCamera));
element.stop.addEventListener("click", () => work.abort());
element.play.addEventListener("click", () => {
  if (timer) return pause();
  if (Number(element.position.value) === kept.length - 1) replay(0);
  element.play.textContent = "Pause";
  timer = setTimeout(play);
});
element.position.addEventListener("input", () => {
  pause();
  replay(Number(element.position.value));
});
element.network.addEventListener("change", async () => {
  element.problem.textContent = "";
  element.legend.replaceChildren();
  try {
    await choose();
    if (last) await start(last);
  } catch (error) {
    element.problem.textContent = explained(error);
  }
});

const names = await (await fetch("networks")).json();
element.network.replaceChildren(...names.map((name) => new Option(name)));
await choose();
document.documentElement.dataset.ready = "yes";
