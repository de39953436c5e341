"""python -m experiments list | run NAME … | report"""
import argparse
import concurrent.futures
import subprocess
import sys
import traceback
from pathlib import Path

from experiments import BACKENDS
from experiments.harness import framework


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line that ends with the accepted values."""

    def error(self, message):
        print(f"{self.prog}: {message}", file=sys.stderr)
        sys.exit(2)


def main(words=None):
    """Run one command and return its exit code: 0 success, 1 an experiment failed, 2 wrong usage, 130
    interrupted."""
    parser, commands = _parser()
    arguments, unknown = parser.parse_known_args(words)
    if arguments.command is None:
        parser.error(f"expected a command (choose from {', '.join(commands)})")
    if unknown:
        flags = [action.option_strings[-1]
                 for action in commands[arguments.command]._actions if action.option_strings]
        parser.error(
            f"{arguments.command} does not know {' '.join(unknown)} (choose from {', '.join(flags)})")
    return {"list": _list, "run": _run, "report": _report}[arguments.command](parser, arguments)


def _parser():
    parser = Parser(prog="experiments", description="One script per result.", allow_abbrev=False)
    kinds = parser.add_subparsers(dest="command", metavar="list | run | report", parser_class=Parser)
    listing = kinds.add_parser("list", help="the experiments and what each shows", allow_abbrev=False)
    run = kinds.add_parser("run", help="run experiments, write NAME.png and NAME.json", allow_abbrev=False)
    run.add_argument("names", nargs="*", metavar="NAME", help="experiments, or all")
    run.add_argument("--backend", choices=BACKENDS, default="accel",
                     help="which package computes (default accel)")
    run.add_argument("--device", choices=("cpu", "cuda"),
                     help="where accel computes (default: CUDA where there is one)")
    run.add_argument("--dtype", choices=("float64", "float32"),
                     help="default float64 for reference, float32 for accel")
    run.add_argument("--seed", type=_whole, default=0, help="default 0")
    run.add_argument("--quick", action="store_true", help="shrink to seconds; metrics carry no verdict")
    run.add_argument("--out", default="results", metavar="DIR", help="where results go (default results)")
    run.add_argument("--data", metavar="DIR", help="folder of data files that are not part of the repository")
    run.add_argument("--jobs", type=_count, default=1, metavar="N",
                     help="how many to run side by side, each in a process (default 1)")
    run.add_argument("--resume", action="store_true",
                     help="skip experiments that are finished with these settings, resume the others")
    report = kinds.add_parser("report", help="gather the records in one page", allow_abbrev=False)
    report.add_argument("--out", default="results", metavar="DIR",
                        help="where the results are (default results)")
    return parser, {"list": listing, "run": run, "report": report}


def _whole(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


def _count(text):
    if _whole(text) == 0:
        raise argparse.ArgumentTypeError("expected a whole number of at least 1, got '0'")
    return int(text)


def _list(parser, arguments):
    known = framework.titles()
    width = max(map(len, known), default=0)
    for name, title in known.items():
        print(f"{name:{width}}  {title}")
    return 0


def _run(parser, arguments):
    known = framework.titles()
    choices = f"(choose from {', '.join((*known, 'all'))})"
    if not arguments.names:
        parser.error(f"run expected the name of an experiment {choices}")
    if unknown := [name for name in arguments.names if name not in (*known, "all")]:
        parser.error(f"no experiment is named {', '.join(unknown)} {choices}")
    names = list(known) if "all" in arguments.names else list(dict.fromkeys(arguments.names))
    try:
        settings = framework.settings(backend=arguments.backend, where=arguments.device,
                                      dtype=arguments.dtype, seed=arguments.seed, quick=arguments.quick,
                                      progress=sys.stderr.isatty(), out=arguments.out, data=arguments.data)
    except (ValueError, RuntimeError) as error:
        parser.error(str(error))
    if arguments.jobs > 1 and len(names) > 1:
        return _side_by_side(names, known, arguments)
    failed = []
    for i, name in enumerate(names):
        print(f"[{i + 1}/{len(names)}] {name}: {known[name]}", flush=True)
        path = settings.out / f"{name}.json"
        record = framework.read(path)
        if arguments.resume and framework.same_settings(record, settings):
            print(f"  skipped: {path} has these settings (of {record.get('date')}, commit "
                  f"{record.get('commit')})")
            continue
        try:
            record = framework.execute(name, settings, resume=arguments.resume)
        except KeyboardInterrupt:
            print(f"interrupted in {name}; finished before it: {', '.join(names[:i]) or 'nothing'}. Go on "
                  "with --resume.", file=sys.stderr)
            return 130
        except Exception:
            traceback.print_exc()
            failed.append(name)
            continue
        for key, metric in framework.read(path)["metrics"].items():
            print(f"  {line(key, metric, record['quick'])}")
        print(f"  {record['seconds']:.1f} s, {settings.out / name}.png", flush=True)
    if failed:
        print(f"experiments: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _side_by_side(names, known, arguments):
    """Run each experiment in a process of its own, `jobs` at a time, and print its output when it has
    finished."""
    words = ["--backend", arguments.backend, "--seed", str(arguments.seed), "--out", arguments.out]
    for flag in ("device", "dtype", "data"):
        words += [f"--{flag}", value] if (value := getattr(arguments, flag)) is not None else []
    words += [f"--{flag}" for flag in ("quick", "resume") if getattr(arguments, flag)]

    def run(name):
        command = [sys.executable, "-m", "experiments", "run", name, *words]
        processes.append(process := subprocess.Popen(command, stdout=subprocess.PIPE,
                                                     stderr=subprocess.STDOUT, text=True))
        return process.communicate()[0], process.returncode

    kept = {name: framework.read(Path(__file__).parent / "results" / f"{name}.json") or {} for name in names}
    # longest first
    names = sorted(names, key=lambda name: -kept[name].get("seconds", 0))
    processes, finished, failed = [], [], []
    print(f"{len(names)} experiments, {arguments.jobs} side by side; each is printed when it is finished",
          flush=True)
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        running = {pool.submit(run, name): name for name in names}
        try:
            for future in concurrent.futures.as_completed(running):
                name, (said, code) = running[future], future.result()
                finished.append(name)
                failed += [name] * bool(code)
                head = f"{name}: {known[name]}\n"
                print(f"[{len(finished)}/{len(names)}] {head}{said.partition(f'[1/1] {head}')[2] or said}",
                      end="", flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:  # their checkpoints remain
                process.terminate()
            print(f"interrupted; finished before it: {', '.join(finished) or 'nothing'}. Go on with "
                  "--resume.", file=sys.stderr)
            return 130
    if failed:
        print(f"experiments: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def line(key, metric, quick):
    """One metric as one line: its mark, name, value and target."""
    target = (f" (target {framework.FORMS[metric.at]} {metric.target:g})" if metric.at in framework.FORMS
              else "")
    return (f"{framework.MARKS[framework.verdict(metric, quick)]} {key} = "
            f"{framework.shown(metric.value)}{target}")


def _report(parser, arguments):
    from experiments.harness import report
    try:
        path, misses = report.write(arguments.out)
    except FileNotFoundError as error:
        parser.error(str(error))
    for miss in misses:
        print(f"✗ {miss}")
    print(f"{'no metric misses its target' if not misses else f'{len(misses)} missed'}: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
