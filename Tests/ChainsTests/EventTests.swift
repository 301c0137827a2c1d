import Chains
import Cryptography
import Primitives
import Testing

struct EventTests {
    private func log(topics: [Digest], data: [UInt8]) throws -> EVMLog {
        let list = topics.map { #""0x\#($0.hex)""# }.joined(separator: ",")
        return try decode(
            EVMLog.self,
            """
            {"address":"0x\(String(repeating: "11", count: 20))","topics":[\(list)],
             "data":"0x\(Hex.encode(data))","blockNumber":"0x5",
             "blockHash":"0x\(String(repeating: "22", count: 32))",
             "transactionHash":"0x\(String(repeating: "33", count: 32))","logIndex":"0x2"}
            """)
    }

    @Test func indexedAndOtherFieldsComeInTheOrderOfTheParameters() throws {
        let artifact = try Project.artifact("Exchequer")
        let topic = try artifact.event("Slashed").topic
        let provider = EIP712.word(try address(0xab))
        let slashed = try log(
            topics: [topic, provider, try digest(0xcd)], data: word(30) + word(20) + word(10))
        let (name, values) = try #require(try artifact.decode(slashed))
        #expect(name == "Slashed")
        #expect(
            values == [
                .address(try address(0xab)), .bytes32(try digest(0xcd)), .uint(30), .uint(20),
                .uint(10),
            ])
    }

    @Test func unknownEventsAreSkippedAndBrokenOnesRefused() throws {
        let artifact = try Project.artifact("Exchequer")
        #expect(try artifact.decode(try log(topics: [], data: [])) == nil)
        #expect(try artifact.decode(try log(topics: [try digest(1)], data: [])) == nil)
        let topic = try artifact.event("Deposited").topic
        let account = EIP712.word(try address(1))
        for (topics, data, error) in [
            ([topic], word(1), ABIError.truncated),
            ([topic, account, account], word(1), .truncated),
            ([topic, account], [], .truncated),
            ([topic, try digest(0xff)], word(1), .notCanonical),
        ] {
            #expect(throws: error) { try artifact.decode(try log(topics: topics, data: data)) }
        }
    }

    @Test func aDynamicTopicIsOnlyAHashAndCannotBeRead() throws {
        let artifact = try ContractArtifact(
            json: Array(
                """
                {"abi":[{"type":"event","name":"Said",
                 "inputs":[{"type":"string","indexed":true}]}],"bytecode":"0x"}
                """.utf8))
        let said = try log(topics: [try artifact.event("Said").topic, .zero], data: [])
        #expect(throws: ABIError.badArgument("string")) { try artifact.decode(said) }
    }

    @Test func referencesAndCursorsSurviveBeingWrittenDown() throws {
        let one = ChainReference(
            chainID: 1, blockNumber: 2, blockHash: try digest(3), transaction: try digest(4),
            logIndex: 5)
        #expect(try ChainReference(canonicalBytes: one.canonicalBytes()) == one)
        for (block, index) in [(2, 6), (3, 0)] as [(UInt64, UInt64)] {
            let later = ChainReference(
                chainID: 1, blockNumber: block, blockHash: .zero, transaction: .zero,
                logIndex: index)
            #expect(one < later && !(later < one))
        }
        for cursor in [
            LogCursor(nextBlock: 0), LogCursor(nextBlock: 9, previousHash: try digest(9)),
        ] {
            #expect(try LogCursor(canonicalBytes: cursor.canonicalBytes()) == cursor)
        }
    }
}
