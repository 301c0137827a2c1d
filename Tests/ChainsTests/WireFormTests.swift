import Chains
import Foundation
import Primitives
import Testing

/// The forms in which JSON-RPC writes numbers and bytes.
struct WireFormTests {
    private func written(_ value: JSONValue) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }

    /// Examples of the execution API specification.
    @Test(arguments: [(UInt64(65), "0x41"), (1_024, "0x400"), (0, "0x0"), (255, "0xff")])
    func quantitiesHaveNoLeadingZeros(number: UInt64, text: String) throws {
        #expect(try written(.quantity(number)) == "\"\(text)\"")
    }

    @Test func parametersAreWrittenAsTheyAre() throws {
        let bytes: [UInt8] = [0, 0x0f, 0xab]
        #expect(JSONValue.data(bytes) == "0x000fab")
        #expect(JSONValue.data([]) == "0x")
        let seven = JSONValue.object(["k": .quantity(7 as UInt)])
        #expect(
            try written(.array(["a", true, .null, .integer(-3), seven]))
                == #"["a",true,null,-3,{"k":"0x7"}]"#)
        let digits = String(repeating: "f", count: 32)
        #expect(JSONValue.quantity(UInt128.max) == .string("0x" + digits))
    }

    private func block(
        number: String = "0x1b4", hash: String? = nil, fee: String? = nil
    ) -> String {
        let word = "0x" + String(repeating: "ab", count: 32)
        let base = fee.map { #","baseFeePerGas":\#($0)"# } ?? ""
        return """
            {"number":"\(number)","hash":"\(hash ?? word)","parentHash":"\(word)",
             "timestamp":"0x5a","transactions":["\(word)"],"miner":null\(base)}
            """
    }

    @Test func aBlockIsRead() throws {
        let block = try decode(EVMBlock.self, block(fee: #""0x3b9aca00""#))
        #expect(block.number == 436 && block.timestamp == 90)
        #expect(block.baseFeePerGas == 1_000_000_000)
        #expect(try block.hash == digest(0xab))
        #expect(try block.parentHash == digest(0xab))
        #expect(block.transactions == [try digest(0xab)])
        #expect(try decode(EVMBlock.self, self.block()).baseFeePerGas == 0)
    }

    @Test(arguments: [
        "", "0x", "1b4", "0xg", "0x-1", "0x+1", " 0x1", "0x1 ", "0x10000000000000000", "436",
    ])
    func badQuantitiesAreRefused(number: String) {
        #expect(throws: DecodingError.self) { try decode(EVMBlock.self, block(number: number)) }
    }

    @Test func numbersOfOtherJSONTypesAreRefused() {
        for fee in ["5", "true", #"["0x1"]"#] {
            #expect(throws: DecodingError.self) { try decode(EVMBlock.self, block(fee: fee)) }
        }
        let edge = #""0x1\#(String(repeating: "0", count: 32))""#
        #expect(throws: DecodingError.self) { try decode(EVMBlock.self, block(fee: edge)) }
    }

    @Test(arguments: [0, 1, 31, 33]) func hashesHave32Bytes(count: Int) {
        let hash = "0x" + String(repeating: "ab", count: count)
        #expect(throws: DecodingError.self) { try decode(EVMBlock.self, block(hash: hash)) }
    }

    @Test(arguments: ["", "0xab", "0x0x", "\u{ff10}x"])
    func hashesHaveAPrefixAndOnlyDigits(start: String) {
        let hash = start + String(repeating: "ab", count: 32)
        #expect(throws: DecodingError.self) { try decode(EVMBlock.self, block(hash: hash)) }
    }

    @Test(arguments: [("0x0", false), ("0x1", true)])
    func aReceiptSaysWhetherItSucceeded(status: String, succeeded: Bool) throws {
        let receipt = try decode(EVMReceipt.self, receipt(status: status))
        #expect(receipt.succeeded == succeeded)
        #expect(receipt.to == nil)
        #expect(try receipt.contractAddress == address(0xcd))
        #expect(receipt.index == 1 && receipt.blockNumber == 2 && receipt.gasUsed == 21_000)
    }

    @Test func aReceiptWithoutAStatusOrWithAnotherIsRefused() {
        for status in ["0x2", "0xff", ""] {
            #expect(throws: DecodingError.self) {
                try decode(EVMReceipt.self, receipt(status: status))
            }
        }
    }

    private func receipt(status: String) -> String {
        let word = "0x" + String(repeating: "ab", count: 32)
        let account = "0x" + String(repeating: "cd", count: 20)
        return """
            {"transactionHash":"\(word)","transactionIndex":"0x1","blockNumber":"0x2",
             "blockHash":"\(word)","from":"\(account)","to":null,"contractAddress":"\(account)",
             "status":"\(status)","gasUsed":"0x5208","logs":[]}
            """
    }
}
