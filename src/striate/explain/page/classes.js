// What pages about classes share: a color for each, and shares in percent that never round up to certainty.

const PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8b5a2b", "#7570b3", "#66a61e", "#b2182b"];
const classColor = (i, count) => (count <= PALETTE.length ? PALETTE[i] : `hsl(${Math.round((i * 360) / count)} 65% 48%)`);
const shareText = (share) => `${Math.min(100 * share, share < 1 ? 99.9 : 100).toFixed(1)} %`;
