#!/usr/bin/env python3
"""Runs what the clients promise against a real service: run.py --binary target/debug/context-services LANGUAGE...

For each language: the tests of every operation, the story of its README as it stands there, and stories of many workers
while the service is killed (SIGKILL) and started again all the time. SQL then decides whether anything was lost or
written twice.
"""

import argparse
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = HERE.parent
README_URL = "http://127.0.0.1:8080"


class Database:
    """A PostgreSQL server of its own, which outlives the service."""

    def __init__(self, work: pathlib.Path):
        self.work = work
        self.bin = self._programs()
        # PostgreSQL refuses to run as root.
        owner = "postgres" if os.geteuid() == 0 else None
        self.as_owner = {"user": owner, "group": owner, "extra_groups": []} if owner else {}
        if owner:
            shutil.chown(work, owner, owner)
        self._run("initdb", "-D", "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C")
        self._run("pg_ctl", "-D", "data", "-l", "postgres.log", "-w", "-o", f"-c listen_addresses='' -k {work}", "start")
        self.url = f"postgres:///postgres?host={work}&user=postgres"

    @staticmethod
    def _programs() -> pathlib.Path:
        if directory := os.environ.get("POSTGRES_BIN_DIR"):
            return pathlib.Path(directory)
        if found := shutil.which("initdb"):
            return pathlib.Path(found).parent
        return sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([self.bin / program, *arguments], cwd=self.work, check=True, stdout=subprocess.DEVNULL, **self.as_owner)

    def query(self, sql: str) -> list[list[str]]:
        command = ["psql", "-h", str(self.work), "-U", "postgres", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", sql, "postgres"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        return [line.split("\t") for line in lines]

    def stop(self) -> None:
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "stop")


class Service:
    """The service on one port, which it keeps over its restarts."""

    def __init__(self, binary: pathlib.Path, database: Database, work: pathlib.Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.binary = binary
        self.log = (work / "service.log").open("ab")
        self.environment = os.environ | {
            "DATABASE_URL": database.url,
            "BIND_ADDRESS": f"127.0.0.1:{port}",
            "LOG_LEVEL": "warn",
        }
        self.kills = 0
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([self.binary], env=self.environment, stdout=self.log, stderr=self.log)

    def wait_until_ready(self) -> None:
        for _ in range(300):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health/ready", timeout=1):
                return
            time.sleep(0.1)
        raise SystemExit(f"the service does not become ready; see {self.log.name}")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.kills += 1

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Language:
    """How one client is packed, installed and run. All commands run in `work`, and see the installed package alone."""

    def __init__(self, work: pathlib.Path):
        self.work = work
        work.mkdir()

    def run(self, *command, **settings) -> None:
        subprocess.run([str(part) for part in command], check=True, cwd=settings.pop("cwd", self.work), **settings)

    def readme(self, fence: str, url: str) -> str:
        """The first program of the README, aimed at the service under test."""
        text = (CLIENTS / self.name / "README.md").read_text()
        return re.search(rf"```{fence}\n(.*?)```", text, re.S)[1].replace(README_URL, url)


class TypeScript(Language):
    name = "typescript"

    def install(self) -> None:
        source = CLIENTS / self.name
        self.run("npm", "install", "--silent", "--no-audit", "--no-fund", cwd=source)
        self.run("npm", "run", "--silent", "build", cwd=source)
        self.run("npm", "pack", "--silent", "--pack-destination", self.work, cwd=source, stdout=subprocess.DEVNULL)
        (self.work / "package.json").write_text('{"private": true, "type": "module"}')
        self.run("npm", "install", "--silent", "--no-audit", "--no-fund", *self.work.glob("*.tgz"))

    def test(self, url: str) -> None:
        self.run("npm", "test", "--silent", cwd=CLIENTS / self.name, env=os.environ | {"CONTEXT_SERVICES_URL": url})

    def story(self, url: str) -> None:
        (self.work / "story.ts").write_text(self.readme("ts", url))
        compiler = CLIENTS / self.name / "node_modules/.bin/tsc"
        roots = CLIENTS / self.name / "node_modules/@types"
        options = ["--strict", "--target", "es2022", "--module", "nodenext", "--typeRoots", roots, "--types", "node"]
        self.run(compiler, *options, "story.ts")
        self.run("node", "story.js")

    def scenario(self) -> list:
        shutil.copy(HERE / "typescript.mjs", self.work)
        return ["node", self.work / "typescript.mjs"]


class Python(Language):
    name = "python"

    def install(self) -> None:
        self.run(sys.executable, "-m", "venv", "venv")
        self.python = self.work / "venv/bin/python"
        pip = [self.python, "-m", "pip", "--disable-pip-version-check", "-q"]
        self.run(*pip, "wheel", "--no-deps", "-w", self.work, CLIENTS / self.name)
        self.run(*pip, "install", *self.work.glob("*.whl"), "pytest", "mypy")

    def test(self, url: str) -> None:
        environment = os.environ | {"CONTEXT_SERVICES_URL": url}
        tests = CLIENTS / self.name / "tests"
        self.run(self.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests, env=environment)
        self.run(self.python, "-m", "mypy", "--strict", "--no-incremental", "-p", "context_services")
        self.run(self.python, "-m", "mypy", "--strict", "--no-incremental", tests)

    def story(self, url: str) -> None:
        (self.work / "story.py").write_text(self.readme("python", url))
        self.run(self.python, "-m", "mypy", "--strict", "--no-incremental", "story.py")
        self.run(self.python, "story.py")

    def scenario(self) -> list:
        return [self.python, HERE / "scenario.py"]


class AsyncPython(Python):
    """The asynchronous half of the same package: only its scenario differs."""

    name = "python"

    def test(self, url: str) -> None:
        pass

    def story(self, url: str) -> None:
        pass

    def scenario(self) -> list:
        return [self.python, HERE / "scenario_async.py"]


class Java(Language):
    name = "java"
    junit = [pathlib.Path("/usr/share/java", jar) for jar in ("junit4.jar", "hamcrest-core.jar", "hamcrest.jar")]

    def install(self) -> None:
        self.run("javac", "--release", "17", "-Xlint:all", "-Werror", "-d", "classes", CLIENTS / "java/contextservices/ContextServices.java")
        self.run("jar", "--create", "--file", "context-services.jar", "-C", "classes", ".")

    def compile(self, source: pathlib.Path, *jars: pathlib.Path) -> str:
        path = os.pathsep.join(str(jar) for jar in [self.work / "context-services.jar", *jars])
        self.run("javac", "--release", "17", "-cp", path, "-d", self.work / "programs", source)
        return f"{self.work / 'programs'}{os.pathsep}{path}"

    def test(self, url: str) -> None:
        path = self.compile(CLIENTS / "java/ContextServicesTest.java", *[jar for jar in self.junit if jar.exists()])
        environment = os.environ | {"CONTEXT_SERVICES_URL": url}
        self.run("java", "-cp", path, "org.junit.runner.JUnitCore", "ContextServicesTest", env=environment)

    def story(self, url: str) -> None:
        (self.work / "Story.java").write_text(self.readme("java", url))
        self.run("java", "-cp", self.compile(self.work / "Story.java"), "Story")

    def scenario(self) -> list:
        return ["java", "-cp", self.compile(HERE / "Scenario.java"), "Scenario"]


LANGUAGES = {"typescript": TypeScript, "python": Python, "async-python": AsyncPython, "java": Java}


def create_schemas(url: str) -> None:
    schemas = {
        "services": ['{"name": "Profile", "type": "single-valued", "attributes": [{"name": "level", "type": "string"}]}'],
        "tasks": [
            """{"name": "Survey", "type": "single-valued", "attributes": [
                {"name": "url", "type": "string", "length": 256, "mandatory": true}, {"name": "question1", "type": "integer"},
                {"name": "question2", "type": "boolean"}, {"name": "question3", "type": "string", "length": 256}]}""",
            """{"name": "Proposal", "type": "multi-valued", "unique": ["car type"], "attributes": [
                {"name": "car type", "type": "string", "length": 40, "mandatory": true}, {"name": "price", "type": "integer"},
                {"name": "seats", "type": "integer", "default": 4}, {"name": "comments", "type": "string", "length": 256}]}""",
        ],
    }
    for elements, bodies in schemas.items():
        for body in bodies:
            headers = {"Content-Type": "application/json"}
            urllib.request.urlopen(urllib.request.Request(f"{url}/metadata/{elements}/extensions", body.encode(), headers))


def under_fire(service: Service, command: list, workers: int, seconds: float) -> list[str]:
    """Runs stories while the service is killed again and again. Returns the customers of those that were acknowledged."""
    service.kills = 0
    log = pathlib.Path(service.log.name).with_name("scenario.log")
    with log.open("wb") as errors:
        program = [str(part) for part in [*command, service.url, workers, seconds]]
        stories = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            end = time.monotonic() + seconds
            while time.monotonic() < end and stories.poll() is None:
                time.sleep(random.uniform(0.3, 1.5))
                service.kill()
                time.sleep(random.uniform(0, 0.5))
                service.start()
            output, _ = stories.communicate(timeout=120)
        finally:
            stories.kill()
    if stories.returncode != 0:
        raise SystemExit(f"{command[0]}: the scenario failed:\n" + log.read_text()[-4000:])
    return output.split()


def audit(database: Database, prefix: str, customers: list[str]) -> list[str]:
    """What SQL finds wrong with the stories of a language."""
    written = database.query(f"""
        select customer_id, count(*), bool_and(status = 'completed'
            and (select string_agg(status, ' ') from reporting.states x where x.service_id = s.service_id) = 'completed completed'
            and (select string_agg(status, ' ') from reporting.tasks x where x.service_id = s.service_id) = 'completed'
            and (select string_agg(extension, ' ' order by extension) from reporting.extensions x
                 where x.service_id = s.service_id) = 'Profile Proposal Proposal Survey')
        from reporting.services s where starts_with(customer_id, '{prefix}-') group by customer_id""")
    found = {customer: (int(services), whole) for customer, services, whole in written}
    wrong = [f"{customer} was started {services} times" for customer, (services, _) in found.items() if services != 1]
    for customer in customers:
        if customer not in found:
            wrong.append(f"{customer} was acknowledged and is lost")
        elif found[customer][1] != "t":
            wrong.append(f"{customer} was acknowledged and is not whole")
    if len(found) != len(customers):
        wrong.append(f"{len(customers)} stories were acknowledged, and {len(found)} are recorded")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=os.environ.get("CONTEXT_SERVICES_BINARY"), help="the service")
    parser.add_argument("--seconds", type=float, default=20, help="how long the service is killed for each language")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE", help=f"{', '.join(LANGUAGES)}; all by default")
    options = parser.parse_args()
    if options.binary is None:
        parser.error("--binary or CONTEXT_SERVICES_BINARY is required")

    work = pathlib.Path(tempfile.mkdtemp(prefix="context-services-clients-"))
    work.chmod(0o755)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, work, ignore_errors=True)
        (work / "postgres").mkdir()
        database = Database(work / "postgres")
        cleanup.callback(database.stop)
        service = Service(options.binary.resolve(), database, work)
        cleanup.callback(service.stop)
        service.wait_until_ready()
        create_schemas(service.url)
        for name in options.languages or LANGUAGES:
            language = LANGUAGES[name](work / name)
            language.install()
            language.test(service.url)
            language.story(service.url)
            customers = under_fire(service, language.scenario(), options.workers, options.seconds)
            service.wait_until_ready()
            if wrong := audit(database, name, customers):
                raise SystemExit(f"{name}:\n  " + "\n  ".join(wrong[:20]))
            if not customers:
                raise SystemExit(f"{name}: no story came to its end")
            print(f"{name}: {len(customers)} stories, {service.kills} kills, nothing lost, nothing twice", flush=True)


if __name__ == "__main__":
    main()
