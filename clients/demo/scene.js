// What is on the screen behind the comments: hills that pass by a sea, drawn
// anew for each moment, by day or by night.

const SCENES = {
    night: {
        sky: ['#0b1033', '#27306b', '#6a4f8f', '#d98a86'],
        disc: '#fdf3d0', discAt: [0.74, 0.22], stars: 90,
        hills: ['#3a3a70', '#292b5a', '#191c40'],
        sea: ['#2b2f63', '#0c1130'], light: '255 236 190',
    },
    day: {
        sky: ['#2f77c4', '#6fb4e0', '#c4e3ea', '#ffe2b0'],
        disc: '#fff6d8', discAt: [0.26, 0.26], stars: 0,
        hills: ['#7fa6b5', '#4f8478', '#2d5f4f'],
        sea: ['#5aa4bd', '#1f5f7f'], light: '255 255 255',
    },
};

// the line where the sea begins, of the height
const SHORE = 0.78;

// the same stars each time
const STARS = Array.from({ length: 90 }, (_, i) => [
    (i * 0.61803) % 1, ((i * 0.75487) % 1) * 0.55, 0.4 + (i % 5) / 4, i,
]);


export function drawScene(context, name, width, height, time) {
    const scene = SCENES[name];
    const draw = { context, width, height, time, scene };

    sky(draw);
    stars(draw);
    disc(draw);
    scene.hills.forEach((color, i) => hills(draw, color, i));
    train(draw);
    sea(draw);
}


function gradient({ context }, from, to, colors) {
    const fill = context.createLinearGradient(0, from, 0, to);

    colors.forEach((color, i) => {
        fill.addColorStop(i / (colors.length - 1), color);
    });
    return fill;
}


function sky(draw) {
    const { context, width, height, scene } = draw;

    context.fillStyle = gradient(draw, 0, height * SHORE, scene.sky);
    context.fillRect(0, 0, width, height);
}


function stars({ context, width, height, time, scene }) {
    context.fillStyle = '#fff';
    for (const [x, y, size, i] of STARS.slice(0, scene.stars)) {
        context.globalAlpha = 0.35 + 0.35 * Math.sin(time * 1.5 + i * 2.1);
        context.fillRect(x * width, y * height, size * 1.4, size * 1.4);
    }
    context.globalAlpha = 1;
}


function disc({ context, width, height, scene }) {
    const [x, y] = [scene.discAt[0] * width, scene.discAt[1] * height];
    const radius = height * 0.075;
    const glow = context.createRadialGradient(x, y, radius * 0.9,
                                              x, y, radius * 4);

    glow.addColorStop(0, `rgb(${scene.light} / 35%)`);
    glow.addColorStop(1, `rgb(${scene.light} / 0%)`);
    context.fillStyle = glow;
    context.fillRect(x - radius * 4, y - radius * 4, radius * 8, radius * 8);

    context.fillStyle = scene.disc;
    context.beginPath();
    context.arc(x, y, radius, 0, Math.PI * 2);
    context.fill();
}


// The nearer, the lower and the faster.
function hills({ context, width, height, time }, color, nearness) {
    const base = height * (0.5 + nearness * 0.1);
    const rise = height * (0.13 - nearness * 0.025);
    const shift = time * (0.06 + nearness * 0.14) + nearness * 7;

    context.fillStyle = color;
    context.beginPath();
    context.moveTo(0, height);
    for (let i = 0; i <= 80; i++) {
        const at = i / 80 * (2.2 + nearness) + shift;
        const wave = Math.sin(at * 1.7) * 0.5 + Math.sin(at * 3.1 + 1) * 0.3
            + Math.sin(at * 7.3) * 0.1;

        context.lineTo(i / 80 * width, base - wave * rise);
    }
    context.lineTo(width, height);
    context.fill();
}


function train({ context, width, height, time, scene }) {
    const car = width * 0.062;
    const tall = height * 0.032;
    const y = height * SHORE - tall - height * 0.008;
    const period = 24;
    const first = width * 1.1 - (time % period) / period * width * 1.8;

    context.fillStyle = 'rgb(0 0 0 / 45%)';
    context.fillRect(0, y + tall, width, height * 0.01);

    for (let i = 0; i < 5; i++) {
        const x = first + i * car * 1.04;

        context.fillStyle = '#20243f';
        context.beginPath();
        context.roundRect(x, y, car, tall, i === 0
            ? [tall * 0.6, 3, 3, 3] : 3);
        context.fill();

        context.fillStyle = `rgb(${scene.light} / 85%)`;
        for (let n = 0; n < 4; n++) {
            context.fillRect(x + car * (0.12 + n * 0.21), y + tall * 0.22,
                             car * 0.13, tall * 0.36);
        }
    }
}


function sea(draw) {
    const { context, width, height, time, scene } = draw;
    const top = height * SHORE;
    const center = scene.discAt[0] * width;

    context.fillStyle = gradient(draw, top, height, scene.sea);
    context.fillRect(0, top, width, height - top);

    // light on the waves, broadest below the disc
    for (let i = 0; i < 22; i++) {
        const depth = i / 22;
        const y = top + (height - top) * depth ** 1.4 + 2;
        const long = width * (0.03 + depth * 0.1)
            * (0.7 + 0.3 * Math.sin(time * 1.3 + i * 1.9));
        const x = center + Math.sin(time * 0.7 + i * 2.3) * width * 0.03;

        context.fillStyle = `rgb(${scene.light} / ${32 - depth * 20}%)`;
        context.fillRect(x - long / 2, y, long, 1.5 + depth * 2);
    }
}
