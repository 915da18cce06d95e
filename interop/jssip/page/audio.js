// Known audio in, measured audio out.

const FFT_SIZE = 32768;

/// A microphone whose sound is known: a sine that can be retuned or silenced while it plays.
export class ToneSource {
  constructor(context, frequency) {
    this.context = context;
    this.oscillator = new OscillatorNode(context, { frequency });
    this.gain = new GainNode(context, { gain: 0.3 });
    this.output = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    this.oscillator.connect(this.gain).connect(this.output);
    this.oscillator.start();
  }

  get stream() {
    return this.output.stream;
  }

  setFrequency(frequency) {
    this.oscillator.frequency.setValueAtTime(frequency, this.context.currentTime);
  }

  setLevel(level) {
    this.gain.gain.setValueAtTime(level, this.context.currentTime);
  }

  stop() {
    this.oscillator.stop();
    for (const track of this.stream.getTracks()) track.stop();
  }
}

/// Measures what a remote stream sounds like.
export class Listener {
  constructor(context, stream) {
    // Chromium pulls a remote track only while a media element plays it.
    this.element = new Audio();
    this.element.srcObject = stream;
    this.element.muted = true;
    // A call that ends at once interrupts it.
    this.element.play().catch(() => {});
    this.source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
    this.analyser = new AnalyserNode(context, { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
    this.source.connect(this.analyser);
    this.context = context;
  }

  /// Calls `heard` with each DTMF digit in the stream.
  async watchDtmf(heard) {
    await this.context.audioWorklet.addModule('/dtmf-worklet.js');
    this.detector = new AudioWorkletNode(this.context, 'dtmf-detector', { numberOfOutputs: 0 });
    this.detector.port.onmessage = ({ data }) => heard(data);
    this.source.connect(this.detector);
  }

  /// Listens for one whole window (0.68 s at 48 kHz) from now on and returns
  /// `{rms, frequency, purity}`: level of full scale, strongest frequency in Hz, and the
  /// share of the energy (0 to 1) that lies within ±20 Hz of it.
  async measure() {
    const begin = this.context.currentTime;
    const window = FFT_SIZE / this.context.sampleRate;
    while (this.context.currentTime < begin + window) await tick(20);

    const samples = new Float32Array(FFT_SIZE);
    this.analyser.getFloatTimeDomainData(samples);
    const rms = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / FFT_SIZE);

    const decibels = new Float32Array(this.analyser.frequencyBinCount);
    this.analyser.getFloatFrequencyData(decibels);
    const power = decibels.map((db) => (Number.isFinite(db) ? 10 ** (db / 10) : 0));
    const hertz = this.context.sampleRate / FFT_SIZE;
    let peak = 0;
    for (let bin = 1; bin < power.length; bin++) if (power[bin] > power[peak]) peak = bin;
    const reach = Math.round(20 / hertz);
    const total = power.reduce((sum, p) => sum + p, 0);
    const near = power.slice(Math.max(0, peak - reach), peak + reach + 1).reduce((sum, p) => sum + p, 0);
    return { rms, frequency: peak * hertz, purity: total > 0 ? near / total : 0 };
  }

  close() {
    this.source.disconnect();
    this.element.srcObject = null;
  }
}

function tick(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
