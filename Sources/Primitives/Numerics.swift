/// What the arithmetic behind an offer can be held to. Numbers are stable for ever.
public enum Numerics: UInt8, CaseIterable, Hashable, Sendable {
    /// Follows the model's arithmetic contract: the same input gives the same bytes on every
    /// machine, so an audit compares hashes and needs no tolerance.
    case exact = 1
    /// Another engine, which promises no bytes: an honest one differs from ours at some tokens, so
    /// no comparison of hashes says anything about it.
    case statistical = 2

    /// The numerics of this name, as the APIs spell it; `nil` if there is none.
    public init?(name: some StringProtocol) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }

    /// `exact` or `statistical`.
    public var name: String {
        switch self {
        case .exact: "exact"
        case .statistical: "statistical"
        }
    }

    /// What stands in place of an arithmetic contract in the receipts of statistical work.
    public static let statisticalContract = """
        numerics: statistical
        tokens: chosen by an engine whose arithmetic is not fixed, so that another run may choose \
        others.
        logits: not committed; the hash in every sampled leaf is 32 zero bytes.

        """

    /// The profile in the receipts of statistical work: SHA-256 of `statisticalContract`. It is no
    /// model's profile, so evidence that names it is never judged by re-execution.
    public static let statisticalProfile = Digest(
        words: (
            0x5D65_F310_5E7B_8C27, 0x588E_50DE_66A7_D09D, 0xFF75_7EF8_7F43_1CD5,
            0xCD1B_486B_FD10_E147
        ))
}
