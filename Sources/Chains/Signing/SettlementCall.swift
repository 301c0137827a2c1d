import Cryptography
import Primitives

/// What the data of a call to the settlement contract or to a token moves, as far as a signer
/// understands it.
enum SettlementCall: Hashable, Sendable {
    /// A root, with the sums of all that was ever owed.
    case root(usd: UInt128, tly: UInt128)
    /// A slash, which counts once for its verdict.
    case slash(verdict: Digest, usd: UInt128)
    /// Payments of the sender's own tokens, together; the contract takes each name once.
    case disperse(token: EVMAddress, name: Digest, units: UInt128)
    /// The leave to take the sender's tokens.
    case approve(spender: EVMAddress)
    /// One of these functions, with other bytes behind its name than the house writes. A contract
    /// may read them in a way that is not seen here.
    case unreadable
    /// Another function.
    case other

    private static let rootSelector = selector(
        "commitRoot(uint256,bytes32,uint256,uint256,bytes32,bytes32)")
    private static let slashSelector = selector("slash(address,uint256,uint256,bytes32)")
    /// The selector of `disperse`.
    static let disperseSelector = selector("disperse(address,bytes32,address[],uint256[])")
    private static let approveSelector = selector("approve(address,uint256)")

    /// The first four bytes of the hash of a function's signature.
    static func selector(_ function: String) -> [UInt8] {
        Array(Keccak256.hash(Array(function.utf8)).bytes[..<4])
    }

    /// O(bytes).
    init(_ data: [UInt8]) {
        let words = CallWords(data)
        switch Array(data.prefix(4)) {
        case Self.rootSelector where words.isWhole(6):
            self = .root(usd: words.number(2), tly: words.number(3))
        case Self.slashSelector where words.isWhole(4):
            self = .slash(verdict: words.digest(3), usd: words.number(1))
        case Self.approveSelector where words.isWhole(2):
            self = words.address(0).map { .approve(spender: $0) } ?? .unreadable
        case Self.disperseSelector: self = Self.dispersal(words) ?? .unreadable
        case Self.rootSelector, Self.slashSelector, Self.approveSelector: self = .unreadable
        default: self = .other
        }
    }

    /// Two lists of one length behind four words, each where the ABI's plain encoding puts it, and
    /// behind them the books or nothing.
    private static func dispersal(_ words: CallWords) -> SettlementCall? {
        let count = words.number(4)
        guard count <= UInt128(words.count),
            words.isWhole(6 + 2 * Int(count))
                || words.isWhole(6 + 2 * Int(count) + PushedBooks.size / 32),
            words.number(2) == 0x80, words.number(3) == 0xA0 + 32 * count,
            words.number(5 + Int(count)) == count, let token = words.address(0)
        else { return nil }
        let first = 6 + Int(count)
        let units = (first..<first + Int(count)).reduce(UInt128(0)) {
            $0.saturatingSum(words.number($1))
        }
        return .disperse(token: token, name: words.digest(1), units: units)
    }
}

/// The words of 32 bytes behind a call's selector.
private struct CallWords {
    private let bytes: ArraySlice<UInt8>

    init(_ data: [UInt8]) { bytes = data.dropFirst(4) }

    var count: Int { bytes.count / 32 }

    /// Whether there are so many words and nothing more.
    func isWhole(_ count: Int) -> Bool { bytes.count == 32 * count }

    private func word(_ place: Int) -> ArraySlice<UInt8> {
        bytes.dropFirst(32 * place).prefix(32)
    }

    /// A number that does not fit is more than any cap; one that is not there is 0.
    func number(_ place: Int) -> UInt128 {
        let word = word(place)
        guard word.prefix(16).allSatisfy({ $0 == 0 }) else { return .max }
        return word.suffix(16).reduce(0) { $0 << 8 | UInt128($1) }
    }

    func digest(_ place: Int) -> Digest { Digest(word(place)) ?? .zero }

    /// `nil` if the word is no address.
    func address(_ place: Int) -> EVMAddress? {
        let word = word(place)
        guard word.prefix(12).allSatisfy({ $0 == 0 }) else { return nil }
        return EVMAddress(Array(word.suffix(20)))
    }
}
