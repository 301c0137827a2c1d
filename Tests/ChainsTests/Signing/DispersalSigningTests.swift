import Chains
import Cryptography
import Primitives
import Testing

/// Dispersals count what they move, and the leave for them is given to the known contract alone.
@Suite struct DispersalSigningTests {
    private let bench: SignerBench
    private let now = Timestamp(seconds: 20_000 * 86_400 + 100)

    init() throws { bench = try SignerBench() }

    private func code(
        _ nonce: UInt64, _ data: [UInt8], to: EVMAddress = SignerBench.contract,
        _ change: (String) -> String = { $0 }
    ) throws -> Int? {
        let reply = try bench.desk(change).ask(
            bench.transaction(nonce, data, to: to), key: bench.key.address)
        #expect((reply.signature == nil) == (reply.error != nil))
        return reply.error?.code
    }

    private func spent() -> SigningCost { bench.book.spent(by: bench.key.address.hex, at: now) }

    @Test func whatIsDispersedCountsAgainstBothCaps() throws {
        let (usd, tly) = (SignerBench.usd, SignerBench.tly)
        #expect(try code(1, SignerBench.disperse(usd, [60, 40], name: 1)) == nil)
        #expect(try code(2, SignerBench.disperse(usd, [60, 41], name: 2)) == 9)
        #expect(try code(2, SignerBench.disperse(tly, [4, 7], name: 2)) == 9)
        #expect(try code(2, SignerBench.disperse(tly, [4, 6], name: 2)) == nil)
        #expect(spent().usd == 100_000_000 && spent().tly == 10_000_000_000)
        // The books behind the arguments are nothing that moves.
        let books = [UInt8](repeating: 7, count: 64)
        #expect(try code(2, SignerBench.disperse(tly, [4, 6], name: 2) + books) == nil)
        #expect(spent().tly == 10_000_000_000)
        // With roots and slashes it is one sum.
        #expect(try code(3, SignerBench.root(usd: 1_100)) == nil)
        #expect(try code(4, SignerBench.disperse(usd, [51], name: 3)) == 10)
        #expect(try code(4, SignerBench.disperse(usd, [50], name: 3)) == nil)
        #expect(try code(5, SignerBench.disperse(usd, [1], name: 4)) == 10)
        bench.pass(days: 1)
        #expect(try code(5, SignerBench.disperse(usd, [1], name: 4)) == nil)
    }

    /// The contract takes a name once, so that of what is signed under it the dearest counts; a
    /// nonce may be signed for with another name, and each of them counts.
    @Test func aNameCountsOnceAndAsFarAsItGrows() throws {
        let usd = SignerBench.usd
        for nonce: UInt64 in 1...3 {
            #expect(try code(nonce, SignerBench.disperse(usd, [30], name: 1)) == nil)
        }
        #expect(spent().usd == 30_000_000)
        #expect(try code(4, SignerBench.disperse(usd, [30, 60], name: 1)) == nil)
        #expect(spent().usd == 90_000_000)
        for name: UInt128 in 2...3 {
            #expect(try code(5, SignerBench.disperse(usd, [80], name: name)) == nil)
        }
        #expect(spent().usd == 250_000_000)
        #expect(try code(5, SignerBench.disperse(usd, [1], name: 4)) == 10)
    }

    /// A policy of before dispersals were counted signs none, and goes on with the rest.
    @Test func withoutTokensNothingIsDispersed() throws {
        let usd = SignerBench.usd
        func old(_ text: String) -> String {
            let lines = text.split(separator: "\n").filter { !$0.contains("\"tokens\"") }
            return lines.joined(separator: "\n")
        }
        #expect(try code(1, SignerBench.disperse(usd, [1], name: 1), old) == 7)
        #expect(try code(1, SignerBench.root(usd: 1_001), old) == nil)
        #expect(try code(2, SignerBench.approve(SignerBench.contract), to: usd, old) == nil)
        let name = bench.key.address.hex
        #expect(try bench.policies(old).byKey[name]?.lacksTokens == true)
        #expect(try bench.policies().byKey[name]?.lacksTokens == false)
        #expect(try code(3, SignerBench.disperse(try address(0xDD), [1], name: 1)) == 7)
        #expect(spent().usd == 1_000_000)
        for (part, other) in [(usd.hex, SignerBench.tly.hex), ("\"usd\": \"0x", "\"usd\": \"1x")] {
            #expect(throws: SigningPolicyError.self, "\(other)") {
                try bench.policies { text in
                    let lines = text.split(separator: "\n").map { line in
                        line.contains("\"tokens\"")
                            ? String(line).replacing(part, with: other) : String(line)
                    }
                    return lines.joined(separator: "\n")
                }
            }
        }
    }

    @Test func leaveIsGivenToTheKnownContractAlone() throws {
        let usd = SignerBench.usd
        #expect(try code(1, SignerBench.approve(SignerBench.contract), to: usd) == nil)
        for stranger in [try address(9), usd, bench.key.address] {
            #expect(try code(2, SignerBench.approve(stranger), to: usd) == 7)
        }
        // The contract of the policy, but one that may not disperse.
        let without: (String) -> String = {
            $0.replacing(", \"disperse(address,bytes32,address[],uint256[])\"", with: "")
        }
        #expect(try code(2, SignerBench.approve(SignerBench.contract), to: usd, without) == 7)
        #expect(spent() == SigningCost(coin: spent().coin))
    }

    /// A contract reads arguments that another encoding hides from a signer: whatever is not as the
    /// house writes it is refused.
    @Test func anotherEncodingOfAKnownFunctionIsRefused() throws {
        let usd = SignerBench.usd
        let word = UInt256(low: 1).word.bytes
        for data in [
            SignerBench.root(usd: 1_001) + [0], SignerBench.root(usd: 1_001) + word,
            SignerBench.slash(usd: 1, verdict: 1) + [0],
            Array(SignerBench.root(usd: 1_001).dropLast()),
            SignerBench.disperse(usd, [1], name: 1) + [0],
            SignerBench.disperse(usd, [1], name: 1) + word,
            SignerBench.disperse(usd, [1], name: 1) + word + word + [0],
            SignerBench.disperse(usd, [1], name: 1) + word + word + word,
            Array(SignerBench.disperse(usd, [1], name: 1).dropLast()),
            // The amounts lie elsewhere than where they are looked for.
            SignerBench.disperse(usd, [1], name: 1) { $0[3] = UInt256(low: 0x80).word.bytes },
            SignerBench.disperse(usd, [1], name: 1) { $0[2] = UInt256(low: 0xA0).word.bytes },
            SignerBench.disperse(usd, [1], name: 1) { $0[4] = UInt256(low: 2).word.bytes },
            SignerBench.disperse(usd, [1, 1], name: 1) { $0[7] = UInt256(low: 1).word.bytes },
            SignerBench.disperse(usd, [1], name: 1) { $0[4] = [UInt8](repeating: 0xFF, count: 32) },
            SignerBench.disperse(usd, [1], name: 1) { $0[0][0] = 1 },
        ] { #expect(try code(1, data) == 8, "\(Hex.encode(data))") }
        #expect(try code(1, SignerBench.approve(SignerBench.contract) + [0], to: usd) == 8)
        // A number that is too large is above every cap.
        #expect(try code(1, SignerBench.disperse(usd, [1], name: 1) { $0[7][0] = 1 }) == 9)
        #expect(try code(1, SignerBench.disperse(usd, [], name: 1)) == nil)
        #expect(spent().usd == 0)
    }
}
