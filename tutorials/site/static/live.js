// Live figures: each <script class="live"> holds the numbers of one figure, computed by the library
// when the site was built (site/live.py). The still picture before it is replaced by a canvas with
// sliders. They are ordinary form controls, so keyboard and touch work.
"use strict";
(() => {
  const D = "#0072B2", G = "#D55E00", SKY = "#56B4E9", AMBER = "#E69F00", GREY = "#999";
  const WIDTH = 640, HEIGHT = 440, MARGIN = 42;

  // Axes of a square or a wide panel: from numbers to pixels.
  function panel(ctx, left, top, width, height, [x0, x1], [y0, y1]) {
    const x = (v) => left + ((v - x0) / (x1 - x0)) * width;
    const y = (v) => top + height - ((v - y0) / (y1 - y0)) * height;
    const frame = (ticksX, ticksY) => {
      ctx.strokeStyle = ctx.fillStyle = "#444";
      ctx.lineWidth = 1;
      ctx.strokeRect(left, top, width, height);
      ctx.textAlign = "center";
      ticksX.forEach((v) => ctx.fillText(v, x(v), top + height + 16));
      ctx.textAlign = "right";
      ticksY.forEach((v) => ctx.fillText(v, left - 6, y(v) + 4));
    };
    const inside = (paint) => {
      ctx.save();
      ctx.beginPath();
      ctx.rect(left, top, width, height);
      ctx.clip();
      paint();
      ctx.restore();
    };
    const line = (xs, ys, colour, thick, dash = []) => {
      ctx.strokeStyle = colour;
      ctx.lineWidth = thick;
      ctx.setLineDash(dash);
      ctx.beginPath();
      let pen = false; // null lifts it
      xs.forEach((v, i) => {
        if (ys[i] !== null) pen ? ctx.lineTo(x(v), y(ys[i])) : ctx.moveTo(x(v), y(ys[i]));
        pen = ys[i] !== null;
      });
      ctx.stroke();
      ctx.setLineDash([]);
    };
    const dots = (flat, colour, radius, hollow) => {
      ctx.fillStyle = ctx.strokeStyle = colour;
      ctx.lineWidth = 1;
      for (let i = 0; i < flat.length; i += 2) {
        ctx.beginPath();
        ctx.arc(x(flat[i]), y(flat[i + 1]), radius, 0, 7);
        hollow ? ctx.stroke() : ctx.fill();
      }
    };
    return { x, y, frame, inside, line, dots };
  }

  function key(ctx, entries) {
    ctx.textAlign = "left";
    let at = MARGIN;
    entries.forEach(([text, colour]) => {
      ctx.fillStyle = colour;
      ctx.fillRect(at, 12, 14, 8);
      ctx.fillStyle = "#222";
      ctx.fillText(text, at + 19, 20);
      at += 19 + ctx.measureText(text).width + 18;
    });
  }

  const FIGURES = {
    dirac: {
      controls: (n) => [
        { name: "method", choices: n.methods.map((m) => m.name), at: 2 },
        { name: "γ, strength of the penalty", choices: n.gammas, at: 3 },
        { name: "step h", choices: n.steps, at: 2 },
      ],
      draw(ctx, n, [method, gamma, step], controls) {
        const m = n.methods[method], g = m.fields.length > 1 ? gamma : 0;
        controls[1].disabled = m.fields.length === 1;
        const side = HEIGHT - 2 * MARGIN, reach = [-n.reach, n.reach];
        const p = panel(ctx, (WIDTH - side) / 2, MARGIN, side, side, reach, reach);
        p.frame([-2, -1, 0, 1, 2], [-2, -1, 0, 1, 2]);
        const many = Math.sqrt(m.fields[g].length), gap = (2 * n.reach) / (many - 1);
        const path = m.paths[g][step];
        p.inside(() => {
          ctx.strokeStyle = ctx.fillStyle = "#aaa";
          ctx.lineWidth = 1.2;
          m.fields[g].forEach((degrees, i) => {
            const a = (degrees * Math.PI) / 180, l = 11;
            const cx = p.x(-n.reach + (i % many) * gap);
            const cy = p.y(-n.reach + Math.floor(i / many) * gap);
            const ex = cx + l * Math.cos(a), ey = cy - l * Math.sin(a);
            ctx.beginPath();
            ctx.moveTo(cx - l * Math.cos(a), cy + l * Math.sin(a));
            ctx.lineTo(ex, ey);
            for (const turn of [2.6, -2.6]) {
              ctx.moveTo(ex, ey);
              ctx.lineTo(ex + 5 * Math.cos(a + turn), ey - 5 * Math.sin(a + turn));
            }
            ctx.stroke();
          });
          const xs = path.filter((_, i) => i % 2 === 0), ys = path.filter((_, i) => i % 2);
          p.line(xs, ys, SKY, 2);
          p.dots(path, SKY, 2);
          p.dots(path.slice(-2), AMBER, 6);
          p.dots([0, 0], "#000", 4);
        });
        key(ctx, [["a run of " + (path.length / 2 - 1) + " steps from (1, 0)", SKY],
                  ["its end", AMBER], ["the goal", "#000"]]);
        ctx.textAlign = "center";
        ctx.fillText("θ, where G puts its point", WIDTH / 2, HEIGHT - 8);
        ctx.fillText("ψ, D's slope", (WIDTH - side) / 2 - 62, HEIGHT / 2);
        const [x, y] = path.slice(-2);
        return `${m.name}, step ${n.steps[step]}: the run ends ${Math.hypot(x, y).toFixed(3)} ` +
               "from the goal";
      },
    },
    one_dimension: {
      controls: (n) => [{ name: "step", choices: n.frames.map((f) => f.step), at: 25, film: true }],
      draw(ctx, n, [frame]) {
        const f = n.frames[frame];
        const p = panel(ctx, MARGIN, MARGIN, WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN, [-2, 4], [0, 1.6]);
        p.frame([-2, -1, 0, 1, 2, 3, 4], [0, 0.5, 1, 1.5]);
        p.inside(() => {
          p.line(n.x, f.best, "#9bd3c0", 7);
          p.line(n.x, f.D, D, 2, [7, 4]);
          p.line(n.x, f.q, G, 2);
          p.line(n.x, n.p, "#000", 2, [2, 4]);
        });
        key(ctx, [["p: data", "#000"], ["q: samples", G], ["D", D], ["D* = p/(p + q)", "#9bd3c0"]]);
        return `after ${f.step} steps`;
      },
    },
    ring: {
      controls: (n) => [{ name: "step", choices: n.frames.map((f) => f.step), at: 15, film: true }],
      draw(ctx, n, [frame]) {
        const f = n.frames[frame], side = HEIGHT - 2 * MARGIN, reach = [-n.reach, n.reach];
        const p = panel(ctx, (WIDTH - side) / 2, MARGIN, side, side, reach, reach);
        const cells = atob(f.map), size = side / n.side;
        p.inside(() => {
          for (let i = 0; i < cells.length; i++) {
            const s = cells.charCodeAt(i) / 255; // white where D says 0, green where 1
            ctx.fillStyle = `rgb(${255 - 104 * s},${255 - 44 * s},${255 - 69 * s})`;
            ctx.fillRect(p.x(-n.reach) + (i % n.side) * size,
                         p.y(-n.reach) - (Math.floor(i / n.side) + 1) * size, size + 1, size + 1);
          }
          p.dots(n.real, D, 2.5, true);
          p.dots(f.points, G, 2);
        });
        p.frame([-1, 0, 1], [-1, 0, 1]);
        key(ctx, [["real", D], ["generated", G], ["D says: real", "#97d3ba"]]);
        return `after ${f.step} steps`;
      },
    },
  };

  function slider(control, change) {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), {
      type: "range", min: 0, max: control.choices.length - 1, step: 1,
      value: Math.min(control.at, control.choices.length - 1),
    });
    const said = document.createElement("output");
    const say = () => {
      said.textContent = control.choices[input.value];
      input.setAttribute("aria-valuetext", control.choices[input.value]);
      change();
    };
    input.addEventListener("input", say);
    label.append(control.name + " ", input, said);
    return { label, input, say };
  }

  function start(script) {
    const kind = FIGURES[script.dataset.figure], numbers = JSON.parse(script.textContent);
    const canvas = Object.assign(document.createElement("canvas"), { width: 2 * WIDTH, height: 2 * HEIGHT });
    const box = document.createElement("figure"), caption = document.createElement("figcaption");
    box.className = "live";
    canvas.setAttribute("role", "img");
    const ctx = canvas.getContext("2d");
    ctx.scale(2, 2);
    let sliders = [];
    const draw = () => {
      if (sliders.some((s) => s === undefined)) return;
      ctx.fillStyle = "#fff";
      ctx.fillRect(0, 0, WIDTH, HEIGHT);
      ctx.font = "13px sans-serif";
      const values = sliders.map((s) => Number(s.input.value));
      caption.textContent = kind.draw(ctx, numbers, values, sliders.map((s) => s.input));
      canvas.setAttribute("aria-label", caption.textContent);
    };
    const controls = kind.controls(numbers);
    sliders = controls.map(() => undefined);
    controls.forEach((c, i) => (sliders[i] = slider(c, draw)));
    const bar = document.createElement("div");
    sliders.forEach((s) => bar.append(s.label));
    controls.filter((c) => c.film).forEach((c, i) => {
      const play = Object.assign(document.createElement("button"), { type: "button", textContent: "Play" });
      let timer = 0;
      const { input, say } = sliders[i];
      const stop = () => { clearInterval(timer); timer = 0; play.textContent = "Play"; };
      play.addEventListener("click", () => {
        if (timer) return stop();
        if (input.value === input.max) input.value = 0;
        play.textContent = "Stop";
        timer = setInterval(() => {
          if (Number(input.value) >= Number(input.max)) return stop();
          input.value = Number(input.value) + 1;
          say();
        }, 250);
      });
      bar.append(play);
    });
    box.append(canvas, bar, caption);
    const still = script.previousElementSibling;
    script.before(box);
    if (still) still.hidden = true;
    sliders.forEach((s) => s.say());
  }

  document.addEventListener("DOMContentLoaded", () =>
    document.querySelectorAll("script.live").forEach(start));
})();
