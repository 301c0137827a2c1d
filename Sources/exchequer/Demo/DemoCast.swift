import Foundation
import Inference

/// Who takes part in the demo.
struct DemoProvider: Sendable {
    /// What it does besides serving.
    enum Part: Sendable {
        /// Holds a third of the layers.
        case shard
        /// Holds the whole model, and audits.
        case whole
        /// Sells the model and runs other weights.
        case liar
        /// Is killed in the middle of an answer.
        case leaver
    }

    let name: String
    let part: Part
    /// As the node's `--layers` takes it.
    let layers: String
    /// Dollars per million tokens.
    let inputPrice: String
    let outputPrice: String
    let verifies: Bool

    /// What the table at the end says of it.
    var role: String {
        switch part {
        case .shard: "layers \(layers)"
        case .whole: "whole model"
        case .liar: "whole model, lies"
        case .leaver: "whole model, leaves"
        }
    }

    /// The cast. The liar is the cheapest, so that it gets all the work nobody directs elsewhere
    /// until it is caught; the three shards together are cheaper than the honest whole model.
    static let all: [DemoProvider] = [
        .init(
            name: "alder", part: .shard, layers: "0..<10", inputPrice: "0.03",
            outputPrice: "0.10", verifies: false),
        .init(
            name: "birch", part: .shard, layers: "10..<20", inputPrice: "0.03",
            outputPrice: "0.10", verifies: false),
        .init(
            name: "cedar", part: .shard, layers: "20..<30", inputPrice: "0.03",
            outputPrice: "0.10", verifies: true),
        .init(
            name: "oak", part: .whole, layers: "all", inputPrice: "0.12", outputPrice: "0.40",
            verifies: true),
        .init(
            name: "thorn", part: .liar, layers: "all", inputPrice: "0.05", outputPrice: "0.20",
            verifies: false),
        .init(
            name: "willow", part: .leaver, layers: "all", inputPrice: "0.15",
            outputPrice: "0.50", verifies: false),
    ]

    static let shards = ["alder", "birch", "cedar"]
}

/// The rules of the demo's house: the shortest windows in which everything still happens.
enum DemoRules {
    static let parameters = """
        {
          "challenge_window_seconds": 30, "audit_timeout_seconds": 60,
          "appeal_window_seconds": 6, "epoch_length_seconds": 5, "job_timeout_seconds": 120,
          "audit_rate_per_million": 1000000, "minimum_bond": "20.00", "initial_emission": "1000.00"
        }
        """

    /// Dollars each provider bonds and the agent deposits.
    static let bond = "100"
    static let deposit = "2.50"
    /// Seconds a bond takes to leave the contract.
    static let unbondingDelay = "600"
}

/// Makes the liar's weights: the same file with every quantised weight of some layers cut from
/// four bits to three. A cheaper model that still answers, which is what a cheat would run.
enum TamperedModel {
    /// Writes the tampered copy of `model` to `target`. A Q4_1 block is 20 bytes: scale and
    /// minimum in two halves of 2 bytes, then 32 weights in 16 bytes, two to a byte.
    static func write(of model: String, to target: String) throws {
        let tensors = try GGUFFile(path: model).tensors
        var bytes = try Data(contentsOf: URL(fileURLWithPath: model))
        var changed = 0
        for tensor in tensors
        where tensor.type == .q4_1 && tensor.name.contains("ffn_down") {
            let end = tensor.offset + tensor.byteCount
            for block in stride(from: tensor.offset, to: end, by: 20) {
                for place in (block + 4)..<(block + 20) { bytes[place] &= 0xEE }
            }
            changed += 1
        }
        guard changed > 0 else {
            throw Supervisor.Failure(description: "\(model) has no Q4_1 tensors to tamper with")
        }
        try bytes.write(to: URL(fileURLWithPath: target))
    }
}
