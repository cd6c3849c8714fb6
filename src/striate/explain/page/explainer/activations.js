// Activations: a function of one number each, by Keras' names.

const sigmoid = (v) => 1 / (1 + Math.exp(-v));
const hardSigmoid = (v) => Math.min(Math.max(v / 6 + 0.5, 0), 1);

// Abramowitz and Stegun 1964, Handbook of mathematical functions, 7.1.26; off by 1.5e-7 at most.
function erf(v) {
  const t = 1 / (1 + 0.3275911 * Math.abs(v));
  const sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(v) * (1 - sum * Math.exp(-v * v));
}

function bend(settings) {
  switch (settings.activation) {
    case "linear": return (v) => v;
    case "relu": return (v) => (v > 0 ? v : 0);
    case "relu6": return (v) => Math.min(Math.max(v, 0), 6);
    case "leaky_relu": return (v) => (v > 0 ? v : v * (settings.slope ?? 0.2));
    case "tanh": return Math.tanh;
    case "sigmoid": return sigmoid;
    case "hard_sigmoid": return hardSigmoid;
    case "silu": return (v) => v * sigmoid(v);
    case "hard_silu": return (v) => v * hardSigmoid(v);
    case "gelu": return (v) => v * 0.5 * (1 + erf(v / Math.SQRT2));
    case "elu": return (v) => (v > 0 ? v : Math.expm1(v));
    case "selu": return (v) => 1.0507009873554805 * (v > 0 ? v : 1.6732632423543772 * Math.expm1(v));
    case "softplus": return (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));
    case "softsign": return (v) => v / (1 + Math.abs(v));
    case "exponential": return Math.exp;
  }
  throw new Error(`unknown activation ${settings.activation}`);
}

const FUNCTION_NAMES = {
  relu: "ReLU", relu6: "ReLU6", leaky_relu: "leaky ReLU", silu: "swish", hard_silu: "hard swish",
  hard_sigmoid: "hard sigmoid", gelu: "GELU", elu: "ELU", selu: "SELU",
};
const functionName = (settings) => FUNCTION_NAMES[settings.activation] ?? settings.activation;
