// RTCStatsReport → the numbers that the core reckons with, in the order of crates/offhook-web/src/stats.rs.

const MILLIS = 1_000;

/** `[candidate, network, audio codec, video codec, numbers]` of a peer connection. */
export async function measure(connection) {
  const report = await connection.getStats();
  const all = [...report.values()];
  const of = (type, kind) => all.find((stats) => stats.type === type && (stats.kind ?? kind) === kind) ?? {};
  const codec = ({ codecId }) => report.get(codecId)?.mimeType?.split('/')[1] ?? '';

  const transport = of('transport');
  const pair = report.get(transport.selectedCandidatePairId) ?? all.find((s) => s.type === 'candidate-pair' && s.nominated) ?? {};
  const media = (kind) => {
    const [inbound, outbound, remote] = [of('inbound-rtp', kind), of('outbound-rtp', kind), of('remote-inbound-rtp', kind)];
    const delay = (inbound.jitterBufferDelay / inbound.jitterBufferEmittedCount) * MILLIS;
    return {
      codec: codec(inbound) || codec(outbound),
      row: [
        inbound.packetsReceived,
        inbound.packetsLost,
        inbound.packetsReceived > 0 ? inbound.jitter * MILLIS : NaN,
        outbound.packetsSent,
        remote.packetsLost,
        remote.jitter * MILLIS,
        delay,
        inbound.concealedSamples,
        inbound.totalSamplesReceived,
        // Where a browser does not say what the far end has had of us: how often that reported on it, which it does only while it has
        // something (RFC 3550 §6.4).
        remote.packetsReceived ?? remote.roundTripTimeMeasurements,
      ],
      inbound,
      outbound,
      remote,
    };
  };

  const [audio, video] = [media('audio'), media('video')];
  const rtt = (audio.remote.roundTripTime ?? pair.currentRoundTripTime) * MILLIS;
  const head = [rtt, audio.inbound.totalSamplesDuration, of('media-source', 'audio').audioLevel];
  const rows = video.inbound.id || video.outbound.id ? [head, audio.row, video.row] : [head, audio.row];
  return [
    report.get(pair.remoteCandidateId)?.candidateType ?? '',
    report.get(pair.localCandidateId)?.networkType ?? navigator.connection?.type ?? '',
    audio.codec,
    video.codec,
    Float64Array.from(rows.flat(), (value) => value ?? NaN),
  ];
}
