"""`make audit`: what pip-audit found, in lines, and plainly which packages it could learn nothing about."""

import json
import sys
from pathlib import Path
from typing import Any


def told(report: dict[str, Any]) -> tuple[list[str], int]:
    """The lines to show and the exit status: 1 with a vulnerability, 2 where nothing could be looked up."""
    packages = report.get("dependencies", [])
    asked = [package for package in packages if "vulns" in package]
    unknown = [package for package in packages if "vulns" not in package]
    found = [(package, entry) for package in asked for entry in package["vulns"]]
    lines = [
        f"{package['name']} {package['version']}: {entry['id']}, mended in "
        f"{', '.join(entry['fix_versions']) or 'no version'}"
        for package, entry in found
    ]
    if not asked:
        return ["The vulnerability service could not be reached: nothing is known about any package."], 2
    if unknown:
        names = ", ".join(package["name"] for package in unknown)
        lines.append(f"Not looked up, the service does not answer for them: {names}.")
    lines.append(f"{len(found)} known vulnerabilities in {len(asked)} of {len(packages)} packages.")
    return lines, 1 if found else 0


def main() -> None:
    """Read the report named by the first argument."""
    path = Path(sys.argv[1])
    report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    lines, status = told(report)
    print("\n".join(lines))
    sys.exit(status)


if __name__ == "__main__":
    main()
