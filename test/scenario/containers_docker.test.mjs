// The same with a real Docker engine (Debian's docker.io), started here as root.
import {realScenarios} from './real_scenarios.mjs';

realScenarios('docker');
