import ArgumentParser
import Economics
import Foundation
import Primitives

/// The rules of a house as a JSON file (docs/reference/parameters.md): the same file for `serve`
/// and `simulate`. What is left out has its default; a name that is not known is an error.
struct ParametersFile: Decodable {
    private var fields: [(name: String, apply: (inout Parameters) -> Void)] = []

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: FileKey.self)
        for key in values.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
            let name = key.stringValue
            if let number = Self.numbers[name] {
                let value = try values.decode(UInt32.self, forKey: key)
                fields.append((name, { $0[keyPath: number] = value }))
            } else if let span = Self.spans[name] {
                let seconds = try values.decode(UInt32.self, forKey: key)
                fields.append((name, { $0[keyPath: span] = .seconds(UInt64(seconds)) }))
            } else if let (asset, sum) = Self.sums[name] {
                guard let amount = asset.parse(try values.decode(String.self, forKey: key)) else {
                    throw DecodingError.dataCorruptedError(
                        forKey: key, in: values, debugDescription: "not decimal text")
                }
                fields.append((name, { $0[keyPath: sum] = amount }))
            } else if name == Self.emission {
                let policy = try values.decode(EmissionPolicyFile.self, forKey: key).policy
                fields.append((name, { $0.otherEmission = policy }))
            } else {
                throw DecodingError.dataCorruptedError(
                    forKey: key, in: values, debugDescription: "no such parameter")
            }
        }
    }

    /// Reads a file into parameters that are sound; says what is wrong otherwise.
    static func read(_ path: String) throws -> Parameters {
        guard let data = FileManager.default.contents(atPath: path) else {
            Console.say("\(path) cannot be read")
            throw Exit.configuration
        }
        var parameters = Parameters()
        do {
            let file = try JSONDecoder().decode(ParametersFile.self, from: data)
            for field in file.fields { field.apply(&parameters) }
        } catch DecodingError.dataCorrupted(let context),
            DecodingError.typeMismatch(_, let context),
            DecodingError.valueNotFound(_, let context),
            DecodingError.keyNotFound(_, let context)
        {
            let name = context.codingPath.last?.stringValue ?? ""
            Console.say("\(path): \(name): \(context.debugDescription)")
            throw Exit.configuration
        }
        if let problem = parameters.problem {
            Console.say("\(path): \(problem)")
            throw Exit.configuration
        }
        return parameters
    }

    private static var numbers: [String: WritableKeyPath<Parameters, UInt32>] {
        [
            "fee_basis_points": \.feeBasisPoints,
            "job_timeout_seconds": \.jobTimeoutSeconds,
            "audit_rate_per_million": \.auditRatePerMillion,
            "audit_power_per_million": \.auditPowerPerMillion,
            "bond_margin_basis_points": \.bondMarginBasisPoints,
            "audit_fee_basis_points": \.auditFeeBasisPoints,
            "bounty_cost_multiple": \.bountyCostMultiple,
            "bounty_cap_basis_points": \.bountyCapBasisPoints,
            "burn_basis_points": \.burnBasisPoints,
            "halving_epochs": \.halvingEpochs,
            "fee_units_per_work": \.feeUnitsPerWork,
        ]
    }

    private static var spans: [String: WritableKeyPath<Parameters, Timestamp.Span>] {
        [
            "challenge_window_seconds": \.challengeWindow,
            "audit_timeout_seconds": \.auditTimeout,
            "appeal_window_seconds": \.appealWindow,
            "epoch_length_seconds": \.epochLength,
        ]
    }

    private static var sums: [String: (Asset, WritableKeyPath<Parameters, Amount>)] {
        [
            "minimum_bond": (.usd, \.minimumBond),
            "initial_emission": (.tly, \.initialEmission),
        ]
    }

    private static let emission = "emission"
}
