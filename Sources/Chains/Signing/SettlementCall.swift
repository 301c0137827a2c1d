import Cryptography
import Primitives

/// What the data of a call to the settlement contract moves, as far as a signer understands it.
enum SettlementCall: Hashable, Sendable {
    /// A root, with the sums of all that was ever owed.
    case root(usd: UInt128, tly: UInt128)
    /// A slash, which counts once for its verdict.
    case slash(verdict: Digest, usd: UInt128)
    /// Another function.
    case other

    private static let commitRoot = selector(
        "commitRoot(uint256,bytes32,uint256,uint256,bytes32,bytes32)")
    private static let slash = selector("slash(address,uint256,uint256,bytes32)")

    /// The first four bytes of the hash of a function's signature.
    static func selector(_ function: String) -> [UInt8] {
        Array(Keccak256.hash(Array(function.utf8)).bytes[..<4])
    }

    init(_ data: [UInt8]) {
        let words = data.dropFirst(4)
        func word(_ place: Int) -> ArraySlice<UInt8> {
            words.dropFirst(32 * place).prefix(32)
        }
        // A number that does not fit is more than any cap.
        func number(_ place: Int) -> UInt128 {
            let word = word(place)
            guard word.prefix(16).allSatisfy({ $0 == 0 }) else { return .max }
            return word.suffix(16).reduce(0) { $0 << 8 | UInt128($1) }
        }
        let selector = Array(data.prefix(4))
        if selector == Self.commitRoot, words.count == 32 * 6 {
            self = .root(usd: number(2), tly: number(3))
        } else if selector == Self.slash, words.count == 32 * 4, let verdict = Digest(word(3)) {
            self = .slash(verdict: verdict, usd: number(1))
        } else {
            self = .other
        }
    }
}
