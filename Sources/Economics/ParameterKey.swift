public import Primitives

/// One number of a house's rules by its name in files: every reader of such files (`serve`, the
/// simulator's scenarios, the axes of its studies) goes through this table.
public struct ParameterKey: Hashable, Sendable {
    /// How a file writes the number.
    public enum Unit: Hashable, Sendable {
        /// A whole number up to 4,294,967,295 of something.
        case whole(of: String)
        /// Decimal text of this money, up to twelve places.
        case money(Asset)
    }

    /// The name, in lower case with underscores.
    public let name: String
    /// How it is written.
    public let unit: Unit

    /// Every key but `emission`, in the order of `Parameters`.
    public static var all: [ParameterKey] { table.map(\.key) }

    /// The name of the key that chooses an emission policy.
    public static var emission: String { "emission" }

    /// The key of this name.
    public static func named(_ name: String) -> ParameterKey? { all.first { $0.name == name } }

    /// The number in these rules: whole, or in ledger units.
    public func value(in rules: Parameters) -> UInt128 {
        switch place {
        case .number(let path): UInt128(rules[keyPath: path])
        case .span(let path): UInt128(rules[keyPath: path].nanoseconds / 1_000_000_000)
        case .sum(let path): rules[keyPath: path].units
        }
    }

    /// Sets the number; throws where it is too large.
    public func set(_ value: UInt128, in rules: inout Parameters) throws(ParameterFault) {
        if case .sum(let path) = place {
            rules[keyPath: path] = Amount(value)
            return
        }
        guard let number = UInt32(exactly: value) else {
            throw ParameterFault(name, "a number that is too large")
        }
        switch place {
        case .number(let path): rules[keyPath: path] = number
        case .span(let path): rules[keyPath: path] = .seconds(UInt64(number))
        case .sum: break
        }
    }
}

extension ParameterKey {
    private enum Place {
        case number(WritableKeyPath<Parameters, UInt32>)
        case span(WritableKeyPath<Parameters, Timestamp.Span>)
        case sum(WritableKeyPath<Parameters, Amount>)
    }

    private var place: Place {
        guard let place = ParameterKey.table.first(where: { $0.key == self })?.place else {
            preconditionFailure("keys come from the table")
        }
        return place
    }

    private static var table: [(key: ParameterKey, place: Place)] {
        [
            row("fee_basis_points", "ten-thousandths", .number(\.feeBasisPoints)),
            row("challenge_window_seconds", "seconds", .span(\.challengeWindow)),
            row("job_timeout_seconds", "seconds", .number(\.jobTimeoutSeconds)),
            row("audit_timeout_seconds", "seconds", .span(\.auditTimeout)),
            row("appeal_window_seconds", "seconds", .span(\.appealWindow)),
            (ParameterKey(name: "minimum_bond", unit: .money(.usd)), .sum(\.minimumBond)),
            row("audit_rate_per_million", "millionths", .number(\.auditRatePerMillion)),
            row("audit_power_per_million", "millionths", .number(\.auditPowerPerMillion)),
            row("bond_margin_basis_points", "ten-thousandths", .number(\.bondMarginBasisPoints)),
            row("audit_fee_basis_points", "ten-thousandths", .number(\.auditFeeBasisPoints)),
            row("bounty_cost_multiple", "times", .number(\.bountyCostMultiple)),
            row("bounty_cap_basis_points", "ten-thousandths", .number(\.bountyCapBasisPoints)),
            row("burn_basis_points", "ten-thousandths", .number(\.burnBasisPoints)),
            row("epoch_length_seconds", "seconds", .span(\.epochLength)),
            (ParameterKey(name: "initial_emission", unit: .money(.tly)), .sum(\.initialEmission)),
            row("halving_epochs", "epochs", .number(\.halvingEpochs)),
            row("fee_units_per_work", "units", .number(\.feeUnitsPerWork)),
        ]
    }

    private static func row(
        _ name: String, _ counted: String, _ place: Place
    ) -> (key: ParameterKey, place: Place) {
        (ParameterKey(name: name, unit: .whole(of: counted)), place)
    }
}
