import Cryptography
public import Primitives

/// The arithmetic contract of this engine. Work done under one profile can be compared byte for
/// byte; the long form with reasons is docs/reference/numerics-v1.md.
public enum NumericsProfile {
    /// The contract itself. Changing one character makes another profile.
    public static let contract = """
        numerics-v1
        float: IEEE 754 binary32, round to nearest even, no flush to zero, no fused multiply-add.
        lanes8(f, n): lane j in 0..7 starts at +0 and adds f(i) for i = j, j+8, ... in order; \
        result ((l0+l4)+(l2+l6))+((l1+l5)+(l3+l7)).
        embed: F32 w; F16 widened; Q8_0 d*q; Q4_0 d*(q-8); Q4_1 d*q+m.
        norm(x, w): r = 1/sqrt(lanes8(x*x, n)/n + eps); y = (x*r)*w.
        quantise, per 32: a = max|x|; if a < 2^-100: s = 0, q = 0; \
        else s = a/127, q = rne(x*(127/a)), t = s*sum(q).
        matrix, quantised weights: per block b in order, p = exact integer dot; \
        dots += (d*s)*p; Q4_1 also minima += m*t; y = dots, Q4_1 y = dots+minima.
        matrix, float weights: y += w*x in order over unquantised x.
        rope, pairs (2i, 2i+1): angle = position * exp(-(log(base)/size*2i)) in binary64, \
        sin and cos rounded to binary32; (a*c - b*s, a*s + b*c).
        cache: K after rope and V as binary16, round to nearest even.
        attention, per head and position t: score(s) = lanes8(q*k(s), size)*(1/sqrt(size)), \
        s = 0..t; e(s) = exp(score(s)-max); z = lanes8(e, t+1); \
        out = (sum over s in order of e(s)*v(s))*(1/z).
        exp: x > 88 as 88; x < -87 gives 0; n = rne(x*1.44269504); \
        r = (x-n*0.693359375)-n*(-2.12194440e-4); p by Horner in r of 1.9875691500e-4, \
        1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1; \
        y = ((p*(r*r)+r)+1)*2^n.
        feed: (g/(1+exp(-g)))*u. residual: x + y.
        order: norm, q, k, v, rope, attention, output, residual, norm, gate, up, feed, down, \
        residual; last: norm, output matrix.

        """

    /// SHA-256 of the contract's UTF-8 bytes: the profile in receipts and manifests.
    public static let id = SHA256.hash(Array(contract.utf8))

    /// What version 1.1 adds to the contract: more number formats, in the block layouts of ggml.
    public static let contractOfFormats = """
        numerics-v1.1
        numerics-v1 and these formats of weights.
        BF16: as F16.
        Q5_0: as Q8_0 with q = nibble + 16*top - 16.
        Q4_K, per 32: as Q4_1 with d = d*scale and m = -(dmin*minimum), which are exact.
        Q6_K, per 32: p = scale0*p0 + scale1*p1, the exact integer dots of both halves of 16 with \
        q = nibble + 16*top - 32; dots += (d*s)*p; embed: d*(scale*q).

        """

    /// SHA-256 of version 1.1.
    public static let idOfFormats = SHA256.hash(Array(contractOfFormats.utf8))

    /// What version 1.2 adds: what other architectures than Llama 1 and 2 compute.
    public static let contractOfArchitectures = """
        numerics-v1.2
        numerics-v1.1 and these architectures.
        llama with rope_freqs.weight: angle = position * (exp(-(log(base)/size*2i))/factor(i)).
        qwen2: rope, pairs (i, i+size/2) with the angle of pair i; q, k, v: y + bias before rope.
        qwen3: rope as qwen2; each head of q and k becomes norm(head, w) before rope.
        gemma3: rope and heads as qwen3. embed: w*sqrt(hidden). \
        score(s) = lanes8(q*k(s), size)*(1/sqrt(n)), n = size, in a model of 62 layers \
        n = hidden div heads. feed: (g/(1+exp(-((g*(1+(g*g)*0.044715))*1.59576912))))*u. \
        Residual: x + norm(y, w). Layer i is local if the model has a window of c positions and \
        period = 0 or i mod period < period-1. Local layers: rope by the local base; \
        e(s) = 0 for s <= t-c, which have no part in max and out. \
        Other layers: angle = position * (exp(-(log(base)/size*2i))/scale).

        """

    /// SHA-256 of version 1.2.
    public static let idOfArchitectures = SHA256.hash(Array(contractOfArchitectures.utf8))

    /// Throws `unsupportedFeature` unless single operations under this contract can be executed:
    /// those of version 1.2 cannot be yet.
    static func requireSingleOperations(_ profile: Digest) throws(ModelError) {
        if profile == idOfArchitectures {
            throw ModelError(.unsupportedFeature, "single operations of numerics-v1.2")
        }
    }
}

extension ModelFile {
    /// The contract that work on this model is done under: the first version that defines its
    /// architecture and its formats. So what was registered under version 1 stays what it was.
    public var profile: Digest {
        if architecture.family != .llama || file.tensor(ModelLayout.ropeFactors) != nil {
            return NumericsProfile.idOfArchitectures
        }
        let added: [TensorType] = [.bf16, .q5_0, .q4_K, .q6_K]
        let needed = file.tensors.contains { added.contains($0.type) }
        return needed ? NumericsProfile.idOfFormats : NumericsProfile.id
    }
}
