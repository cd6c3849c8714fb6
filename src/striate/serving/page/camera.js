// The camera: answers while it looks, and photographs.

const LARGEST = 640;  // pixels of a side that are sent

class Camera {
  constructor(video, seen) {
    Object.assign(this, { video, seen, stream: null });
  }

  async start() {
    if (!navigator.mediaDevices) throw new Error("This browser gives a page the camera only over HTTPS, or on the server's own computer.");
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
    this.stop();
    this.stream = stream;
    this.video.srcObject = stream;
    await this.video.play();
    this.watch();
  }

  async watch() {
    const { stream } = this;
    while (this.stream === stream) {
      if (!document.hidden && this.video.videoWidth) await this.seen(await this.image());
      await new Promise((done) => setTimeout(done, 150));
    }
  }

  // The square in the middle, as it is shown.
  image() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const from = Math.min(width, height), side = Math.min(from, LARGEST);
    const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
    canvas.getContext("2d").drawImage(this.video, (width - from) / 2, (height - from) / 2, from, from, 0, 0, side, side);
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  }

  stop() {
    for (const track of this.stream?.getTracks() || []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }
}
