import Chains
import Cryptography
import Foundation
import Primitives
import Testing

struct ArtifactTests {
    private struct Listed: Decodable {
        let selectors: [String: String]
        let bytecode: String
    }

    private func sample(_ entries: String, bytecode: String = "0x6000") -> [UInt8] {
        Array(#"{"abi":[\#(entries)],"bytecode":"\#(bytecode)","more":1}"#.utf8)
    }

    /// The compiler lists its selectors as numbers, without leading zeros.
    @Test(arguments: ["Token", "Exchequer"])
    func selectorsAreThoseOfTheCompiler(name: String) throws {
        let artifact = try Project.artifact(name)
        let listed = try JSONDecoder().decode(
            Listed.self, from: try Data(contentsOf: Project.artifactFile(name)))
        #expect(artifact.functions.count == listed.selectors.count)
        #expect(artifact.functions.count > 10)
        for function in artifact.functions {
            let signature = function.name + ABIType.tuple(function.inputs).signature
            let text = try #require(listed.selectors[signature], "\(signature)")
            let number = try #require(UInt32(text.dropFirst(2), radix: 16))
            #expect(function.selector == Array(word(UInt64(number)).suffix(4)), "\(signature)")
        }
        #expect("0x" + Hex.encode(artifact.bytecode) == listed.bytecode)
    }

    /// Selectors of the Solidity ABI specification.
    @Test func callsStartWithTheirSelector() throws {
        let artifact = try ContractArtifact(
            json: sample(
                """
                {"type":"function","name":"baz","inputs":[{"type":"uint32"},{"type":"bool"}]},
                {"type":"function","name":"sam",
                 "inputs":[{"type":"bytes"},{"type":"bool"},{"type":"uint256[]"}]},
                {"type":"function","name":"g",
                 "inputs":[{"type":"uint256[][]"},{"type":"string[]"}]},
                {"type":"fallback"}
                """))
        for (name, selector) in [("baz", "cdcd77c0"), ("sam", "a5643bf2"), ("g", "2289b18c")] {
            let example = try #require(
                ABIEncodingTests.examples.first { $0.testDescription == name })
            let data = try artifact.callData(name, example.values)
            #expect(data == (try hex(selector)) + (try hex(example.encoded)))
        }
        #expect(try artifact.deployData([]) == [0x60, 0x00])
        #expect(throws: ABIError.badArgument("1 arguments for 0 parameters")) {
            try artifact.deployData([.uint(1)])
        }
        #expect(throws: ABIError.unknownName("bar")) { try artifact.callData("bar", []) }
        #expect(throws: ABIError.unknownName("Bar")) { try artifact.event("Bar") }
    }

    @Test func tuplesAreReadWithTheirComponents() throws {
        let artifact = try Project.artifact("Exchequer")
        let claims = try artifact.function("claimMany")
        #expect(
            claims.inputs == [
                .array(.tuple([.address, .address, .uint(bits: 256), .array(.bytes32)]))
            ])
        let entries = try artifact.function("unbondingEntries")
        #expect(entries.outputs == [.array(.tuple([.uint(bits: 256), .uint(bits: 256)]))])
        #expect(
            try artifact.results(of: "unbondingEntries", word(32) + word(1) + word(5) + word(6))
                == [.array([.tuple([.uint(5), .uint(6)])])])
        #expect(
            artifact.constructorInputs
                == [.address, .address, .address] + [ABIType](repeating: .uint(bits: 256), count: 5)
        )
    }

    /// The most widely known topic there is.
    @Test func topicsAreHashesOfTheSignature() throws {
        let transfer = try Project.artifact("Token").event("Transfer")
        #expect(
            transfer.topic.hex
                == "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
        #expect(transfer.indexed == [true, true, false])
        for event in try Project.artifact("Exchequer").events {
            let signature = event.name + ABIType.tuple(event.inputs).signature
            #expect(event.topic == Keccak256.hash(Array(signature.utf8)))
        }
    }

    @Test func whatIsNoArtifactIsRefused() throws {
        for json in ["", "[]", "{}", #"{"abi":[]}"#, #"{"bytecode":"0x"}"#, #"{"abi":{}}"#] {
            #expect(throws: ABIError.badArtifact("JSON")) {
                try ContractArtifact(json: Array(json.utf8))
            }
        }
        for bytecode in ["0x1", "0xzz", "hello"] {
            #expect(throws: ABIError.badArtifact("bytecode")) {
                try ContractArtifact(json: sample("", bytecode: bytecode))
            }
        }
        for type in [
            "int256", "uint", "uint0", "uint7", "uint264", "bytes4", "bool[2]", "", "[]", "uint-8",
        ] {
            let entry = #"{"type":"function","name":"f","inputs":[{"type":"\#(type)"}]}"#
            #expect(throws: ABIError.self, "\(type)") {
                try ContractArtifact(json: sample(entry))
            }
        }
        let missing = Project.artifactFile("Missing")
        #expect(throws: ABIError.badArtifact("file Missing.json")) {
            try ContractArtifact(contentsOf: missing)
        }
    }
}
