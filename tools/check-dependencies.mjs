#!/usr/bin/env node
// Checks the whole dependency tree, all targets and features, against tools/dependencies.json:
// every licence is one we allow, every crate comes from the registry, and no crate is there in
// two versions without a stated reason. Why not cargo-deny: docs/decisions/0003-own-dependency-check.md.

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { satisfied } from './spdx.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const policy = JSON.parse(readFileSync(join(root, 'tools/dependencies.json'), 'utf8'));
const problems = [];

const metadata = JSON.parse(
  execFileSync('cargo', ['metadata', '--all-features', '--format-version', '1', '--locked'], {
    cwd: root,
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  }),
);
checkCrates(metadata);
checkDuplicates(metadata);
const npmPackages = ['interop', 'web', 'web/test', 'examples'].flatMap(npmLocks).flatMap(checkNpmLock);

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(`${metadata.packages.length} crates and ${npmPackages.length} npm packages: licences, sources and versions as agreed`);

function checkCrates({ packages }) {
  for (const { name, version, license, source } of packages) {
    if (!license) problems.push(`${name} ${version} states no licence`);
    else if (!satisfied(license, policy.licences)) problems.push(`${name} ${version}: licence "${license}" is not allowed`);
    if (source && !source.startsWith('registry+')) problems.push(`${name} ${version} comes from ${source}: use a released version`);
  }
}

function checkDuplicates({ packages, resolve }) {
  const versions = new Map();
  const byId = new Map(packages.map((entry) => [entry.id, entry]));
  for (const { name, version } of packages) {
    versions.set(name, (versions.get(name) ?? new Set()).add(release(version)));
  }
  for (const [name, found] of versions) {
    if (found.size === 1) continue;
    const agreed = policy.duplicates[name]?.versions ?? [];
    const excess = [...found].filter((version) => !agreed.includes(version));
    if (excess.length === 0) continue;
    const users = resolve.nodes
      .flatMap((node) => node.dependencies.map((id) => [byId.get(node.id), byId.get(id)]))
      .filter(([, dependency]) => dependency.name === name)
      .map(([user, dependency]) => `${user.name} (${dependency.version})`);
    problems.push(
      `${name} is there as ${[...found].join(' and ')}, used by ${users.join(', ')}: ` +
        'use one version, or state the reason in tools/dependencies.json',
    );
  }
  for (const [name, { versions: agreed, reason }] of Object.entries(policy.duplicates)) {
    const found = versions.get(name) ?? new Set();
    const gone = agreed.filter((version) => !found.has(version));
    if (gone.length > 0) problems.push(`tools/dependencies.json: ${name} ${gone.join(', ')} is no longer in the tree: remove it`);
    if (agreed.length < 2 || !reason) problems.push(`tools/dependencies.json: ${name} needs two versions and a reason`);
  }
}

/// The part of a version within which cargo keeps one copy: `1`, `0.9`, `0.0.3`.
function release(version) {
  const [major, minor, patch] = version.split('.');
  if (major !== '0') return major;
  return minor !== '0' ? `0.${minor}` : `0.0.${parseInt(patch, 10)}`;
}

function npmLocks(folder) {
  let entries = [];
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true });
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  const candidates = [folder, ...entries.filter((e) => e.isDirectory()).map((e) => `${folder}/${e.name}`)];
  return candidates
    .map((candidate) => `${candidate}/package-lock.json`)
    .filter((path) => {
      try {
        readFileSync(join(root, path));
        return true;
      } catch {
        return false;
      }
    });
}

function checkNpmLock(path) {
  const lock = JSON.parse(readFileSync(join(root, path), 'utf8'));
  const packages = Object.entries(lock.packages).filter(([key, entry]) => key.includes('node_modules/') && !entry.link);
  for (const [key, { license, integrity, resolved }] of packages) {
    const excepted = policy.npmLicences[key.split('node_modules/').at(-1)]?.licence;
    if (!license || !(license === excepted || satisfied(license, policy.licences))) problems.push(`${path}: ${key}: licence "${license}" is not allowed`);
    if (!integrity) problems.push(`${path}: ${key} has no integrity hash`);
    if (resolved) problems.push(`${path}: ${key} names a registry host: npm install with omit-lockfile-registry-resolved`);
  }
  return packages.map(([key]) => key);
}
