import Chains
import Foundation
import Primitives
import Testing

/// What rollups charge beside gas: in receipts, in what is kept of them, and as their oracle quotes
/// it.
struct RollupFeesTests {
    private func wei(_ json: String, gasUsed: UInt64 = 50_000) throws -> UInt128 {
        try JSONDecoder().decode(RollupFees.self, from: Data(json.utf8)).wei(gasUsed: gasUsed)
    }

    @Test func aReceiptOfAnotherChainHasNone() throws {
        #expect(try wei(#"{"gasUsed":"0xc350","effectiveGasPrice":"0x9"}"#) == 0)
    }

    @Test func dataAndOperatorAreCharged() throws {
        #expect(try wei(#"{"l1Fee":"0x1f4","l1GasPrice":"0x7"}"#) == 500)
        // Since Isthmus a millionth of the scalar for a unit of gas, rounded down.
        let isthmus = #""operatorFeeScalar":"0x5a","operatorFeeConstant":"0x3e8""#
        #expect(try wei("{\"l1Fee\":\"0x1f4\",\(isthmus)}") == 500 + 4 + 1_000)
        // A field that is there and says nothing is none.
        let none = isthmus + #","daFootprintGasScalar":null"#
        #expect(try wei("{\"l1Fee\":null,\(none)}") == 4 + 1_000)
        // Since Jovian a hundred times the scalar.
        let jovian = isthmus + #","daFootprintGasScalar":"0x190""#
        #expect(try wei("{\"l1Fee\":\"0x1f4\",\(jovian)}") == 500 + 90 * 100 * 50_000 + 1_000)
    }

    @Test func nonsenseIsRefusedAndTooMuchSaturates() throws {
        #expect(throws: DecodingError.self) { try wei(#"{"l1Fee":"ten"}"#) }
        let most = "0x" + String(repeating: "f", count: 32)
        #expect(try wei("{\"l1Fee\":\"\(most)\",\"operatorFeeConstant\":\"0x1\"}") == .max)
    }

    @Test func whatIsKeptHasTheFeeAndReadsWhatHasNone() throws {
        func inclusion(_ succeeded: Bool, fee: UInt128) -> EVMInclusion {
            EVMInclusion(
                transaction: Digest(words: (1, 2, 3, 4)), blockNumber: 5, blockHash: .zero,
                index: 6, succeeded: succeeded, gasUsed: 7, gasPrice: 8, rollupFee: fee)
        }
        for succeeded in [true, false] {
            let (without, with) = (inclusion(succeeded, fee: 0), inclusion(succeeded, fee: 9))
            var old = ByteWriter()
            old.write(without.transaction)
            old.write(UInt64(5))
            old.write(Digest.zero)
            old.write(UInt64(6))
            old.write(succeeded)
            old.write(UInt64(7))
            old.write(UInt128(8))
            #expect(without.canonicalBytes() == old.bytes)
            #expect(try EVMInclusion(canonicalBytes: old.bytes) == without)
            #expect(try EVMInclusion(canonicalBytes: with.canonicalBytes()) == with)
            #expect(without.cost == 56 && with.cost == 65)
            // A fee of zero has one spelling, and there are no other flags.
            var zero = with.canonicalBytes()
            zero.replaceSubrange(
                zero.count - 16..<zero.count, with: [UInt8](repeating: 0, count: 16))
            #expect(throws: CodecError.self) { try EVMInclusion(canonicalBytes: zero) }
            var flagged = old.bytes
            flagged[32 + 8 + 32 + 8] = 4
            #expect(throws: CodecError.self) { try EVMInclusion(canonicalBytes: flagged) }
        }
    }

    @Test func theOracleQuotesATransaction() async throws {
        let node = try await EVMNode.start(accounts: 2)
        defer { node.stop() }
        let chain = EVMChain(rpc: node.rpc, chainID: EVMNode.chainID, confirmations: 1)
        let transaction = EVMTransaction(
            chainID: EVMNode.chainID, nonce: 1, maxPriorityFeePerGas: 2, maxFeePerGas: 3,
            gasLimit: 50_000, to: .zero, data: [UInt8](repeating: 7, count: 1_000))
        #expect(try await chain.rollupFee(of: transaction) == nil)
        let _: Bool = try await node.rpc.call("test_setRollupFees", ["0x64", "0x5", "0x7"])
        // Type, list, nonce, prices, gas, account, data and an empty list, as the stack counts
        // them, with 68 bytes for the signature.
        let fields = 1 + 3 + 3 + 1 + 1 + 1 + 3 + 21 + 1 + 3 + 1_000 + 1
        let wanted = UInt128(100 * (fields + 68) + 5 * 100 * 50_000 + 7)
        #expect(try await chain.rollupFee(of: transaction) == wanted)
    }
}
