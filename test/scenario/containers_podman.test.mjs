// The same with Podman's service, which speaks Docker's API.
import {realScenarios} from './real_scenarios.mjs';

realScenarios('podman');
