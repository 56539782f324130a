// Comments that fly across a canvas from right to left: lanes in which none
// overtakes another, and a bounded queue of those that find no place.

const CROSSING = 8;        // seconds, whatever a comment's length
const GAP = 24;            // pixels between two comments of a lane
const QUEUE_MAX = 100;


export class Danmaku {
    #lanes = [];
    #queue = [];
    #flying = [];
    #width = 0;
    #laneHeight = 30;
    #font = '';

    // Comments on their way keep their place in proportion.
    resize(width, height) {
        const scale = this.#width ? width / this.#width : 1;
        const size = Math.max(15, Math.min(26, Math.round(width / 34)));

        this.#width = width;
        this.#font = `600 ${size}px system-ui, "Noto Sans", "DejaVu Sans", `
            + '"Noto Sans CJK SC", sans-serif';
        this.#laneHeight = Math.round(size * 1.6);

        // the lowest quarter is the scene's own
        const lanes = Math.floor(height * 0.75 / this.#laneHeight);
        this.#lanes.length = Math.max(1, lanes);
        this.#flying = this.#flying.filter(
            (one) => one.lane < this.#lanes.length);
        for (const one of this.#flying) {
            one.x *= scale;
            one.width = 0;
        }
    }

    // { text, color, mine }; the oldest that waits gives way.
    add(comment) {
        this.#queue.push({ ...comment, width: 0 });
        if (this.#queue.length > QUEUE_MAX) {
            this.#queue.shift();
        }
    }

    clear() {
        this.#queue = [];
        this.#flying = [];
        this.#lanes.fill(undefined);
    }

    // What flies now, in the order of its start: its text, its lane, and where
    // its left end is, as a part of the width.
    get flying() {
        return this.#flying.map(({ text, lane, x }) => ({
            text, lane, at: x / this.#width }));
    }

    draw(context, seconds) {
        context.font = this.#font;
        context.textBaseline = 'middle';
        context.lineJoin = 'round';

        for (const one of this.#flying) {
            this.#measure(context, one);
            one.x -= one.speed * seconds;
        }
        this.#flying = this.#flying.filter((one) => one.x + one.width > 0);
        this.#start(context);

        for (const one of this.#flying) {
            this.#paint(context, one);
        }
    }

    #measure(context, one) {
        if (!one.width) {
            one.width = context.measureText(one.text).width;
            one.speed = (this.#width + one.width) / CROSSING;
        }
    }

    #start(context) {
        while (this.#queue.length) {
            const one = this.#queue[0];

            this.#measure(context, one);

            const lane = this.#freeLane(one);
            if (lane < 0) {
                return;
            }
            this.#queue.shift();
            one.lane = lane;
            one.x = this.#width;
            this.#lanes[lane] = one;
            this.#flying.push(one);
        }
    }

    // One whose last comment has come in whole, and leaves before this one
    // could reach it.
    #freeLane(one) {
        for (let i = 0; i < this.#lanes.length; i++) {
            const last = this.#lanes[i];
            const end = last ? last.x + last.width + GAP : 0;

            if (!last || (end < this.#width
                          && end / last.speed <= this.#width / one.speed))
            {
                return i;
            }
        }
        return -1;
    }

    #paint(context, { text, color, mine, lane, x, width }) {
        const y = (lane + 0.75) * this.#laneHeight;

        context.lineWidth = 4;
        context.strokeStyle = 'rgb(0 0 0 / 65%)';
        context.strokeText(text, x, y);
        context.fillStyle = color;
        context.fillText(text, x, y);

        if (mine) {
            context.lineWidth = 1.5;
            context.strokeStyle = color;
            context.beginPath();
            context.roundRect(x - 9, y - this.#laneHeight / 2 + 2, width + 18,
                              this.#laneHeight - 4, 8);
            context.stroke();
        }
    }
}
