// The types that a dashboard of ours has to fit: Grafana's own, of @grafana/schema, and where these leave things open
// (panel options, queries, annotations are Record<string, unknown> or unfinished there) stricter ones.
import type { AnnotationQuery, Dashboard, FieldConfig, Panel, RowPanel, VariableModel }
    from '@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as statetimeline from
    '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// JSON has the values of string enums, not their names.
type Plain<T> =
    0 extends 1 & T ? T :
    T extends string ? `${T}` :
    T extends number | boolean | null | undefined ? T :
    T extends (infer Item)[] ? Plain<Item>[] :
    T extends object ? { [Key in keyof T]: Plain<T[Key]> } :
    T;

interface Source { type: 'prometheus'; uid: 'pgaf-prometheus' }

interface Query {
    refId: string;
    datasource: Source;
    expr: string;
    legendFormat: string;
    instant: boolean;
    range: boolean;
    format: 'time_series' | 'table';
    editorMode: 'code';
    interval?: '15s' | '30s';
}

type Defaults<Custom> = Omit<Plain<FieldConfig>, 'custom'> & { custom?: Partial<Plain<Custom>> };

interface Shown<Type extends string, Options, Custom> extends
    Omit<Plain<Panel>, 'type' | 'targets' | 'options' | 'fieldConfig' | 'datasource'> {
    id: number;
    type: Type;
    title: string;
    description: string;
    datasource: Source;
    targets: Query[];
    options: Plain<Options>;
    fieldConfig: { defaults: Defaults<Custom>; overrides: [] };
}

type OurPanel =
    Shown<'timeseries', timeseries.Options, timeseries.FieldConfig> |
    Shown<'stat', stat.Options, never> |
    Shown<'state-timeline', statetimeline.Options, statetimeline.FieldConfig> |
    Shown<'table', table.Options, table.FieldConfig>;

// What the Prometheus data source reads of an annotation: the target by newer versions of Grafana, the rest by older ones.
interface OurAnnotation extends Omit<Plain<AnnotationQuery>, 'target'> {
    target: { expr: string; refId: string; interval: string };
    expr: string;
    step: string;
    titleFormat: string;
    textFormat: string;
}

export interface OurDashboard extends Omit<Plain<Dashboard>, 'panels' | 'annotations' | 'templating' | 'links'> {
    uid: string;
    title: string;
    description: string;
    annotations: { list: OurAnnotation[] };
    templating: { list: Plain<VariableModel>[] };
    links: NonNullable<Plain<Dashboard>['links']>;
    panels: (OurPanel | Plain<RowPanel>)[];
}
